"""`dockd demo`: the whole journey with real commands, real files and real interruptions, judged by programs that are not ours.

    folder      the work folder, which is deleted only if a demo made it
    footage     video, sidecars, identity files: what a camera holds
    cameras     made cameras, and copies of a user's own folders
    originals   digests of every original, by b3sum and sha256sum, before anything is docked
    served      `dockd vault` and `dockd run` as processes that never outlive the demo
    stage       tokens, site file, bays: the dock that the demo plays on
    watch       the daemon's status, as anybody may ask for it
    journey     what a person would do: dock, pull, dock elsewhere, restart the archive, wait for *take it*
    show        what is seen of it
    compare     every original against journal, vault and camera
    report      the numbers
    play        all of it, in this order

Nothing here is needed by a dock. The comparison trusts neither the daemon nor the vault: what they stored is hashed by other
programs, and signed statements are checked against digests that those programs computed before the docking.
"""
