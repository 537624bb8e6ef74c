"""A simulated fleet at one shift change against one real vault: where it saturates, and that nothing is lost while it does."""
