"""What no user touches: it may change without notice."""
