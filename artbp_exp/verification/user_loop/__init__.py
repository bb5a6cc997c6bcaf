"""Certifies a training loop of a user's own: `artbp.verify`."""

from artbp_exp.verification.user_loop.certify import Verification, verify

__all__ = ["Verification", "verify"]
