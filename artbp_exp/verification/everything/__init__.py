"""Every method, boundary, auxiliary loss, task and model against what it claims: `verify.everything=true`."""
