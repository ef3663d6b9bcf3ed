"""For adapter authors: the contract suite and what it is made of. Needs the extra `testing`."""
