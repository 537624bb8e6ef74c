"""A camera's tree behind one directory descriptor: the only code that opens anything on a camera.

Every name is untrusted bytes. Folders are entered one at a time with O_NOFOLLOW, so no name and no link leads out of the tree.
"""
