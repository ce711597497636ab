"""The controllers of the emulated control plane: pure clients of its API."""

from localcloud.kubernetes.controllers.run import run_controllers

__all__ = ["run_controllers"]
