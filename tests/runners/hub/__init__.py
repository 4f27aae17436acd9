"""Tests of runners/hub."""
