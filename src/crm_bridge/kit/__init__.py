"""What adapter authors build with: signing, guarded parsing, bounded HTTP, schemas, in-memory services, emulators.

It knows the contract and nothing else of the bridge. Import from the modules: each is one subject.
"""
