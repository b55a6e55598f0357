"""How the processor's cores are shared between the network and the threads beside it."""

import os
import sys


def leave_cores_to_readers() -> None:
    """Let torch have a fourth of the cores: more of its threads and the readers stop each other."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // 4))
