"""dockd: docking station software for body-worn cameras.

Read the folders in the order in which a recording travels: bays, camera, offload, journal, archive, clearance.
"""

__version__ = "0.1.0"
