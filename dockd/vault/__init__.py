"""The archive that ships with dockd: a small tus 1.0.0 server over plain files and SQLite that proves what it holds.

docs/protocol.md is its HTTP interface. One folder is one store, owned by one process (`lock`):

    vault.sqlite      the ledger: uploads, objects, tokens; WAL, synchronous=FULL
    key.pem           Ed25519 signing key, mode 0600, made on first start
    uploads/ID        bytes still arriving, or arrived and not yet re-read; never served
    blobs/xx/BLAKE3   bytes that were re-read from the medium and have the digest that is their name; read-only, never replaced
    quarantine/...    bytes that are not what was announced (ID), or that the medium lost (BLAKE3.damaged-N); never served

A file appears in `blobs` by link(2), under its final name, only after all of its bytes arrived, were synced, and were read back
past the page cache with both digests right. Equal recordings share one blob, but each is sent in full and re-read first: no one
gets an object by naming a digest.

The order of every durable step is file, folder, ledger; what remains under the old name is removed last. So a crash leaves either
the old state or the new one with a spare link, and `recovery` removes spare links and queues again what was not yet re-read.
The ledger's offset is moved only after fdatasync: HEAD names only bytes that a power cut cannot take back.
"""
