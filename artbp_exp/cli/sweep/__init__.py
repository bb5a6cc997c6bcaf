"""Many runs from one command: planned, launched each in its own process, and summed up from their folders."""
