from . import (
    batch as batch,
)
from . import (
    blocks as blocks,
)
from . import (
    complexity as complexity,
)
from . import (
    data as data,
)
from . import (
    demo as demo,
)
from . import (
    evaluation as evaluation,
)
from . import (
    exporting as exporting,
)
from . import (
    hub as hub,
)
from . import (
    inference as inference,
)
from . import (
    losses as losses,
)
from . import (
    metrics as metrics,
)
from . import (
    models as models,
)
from . import (
    planning as planning,
)
from . import (
    pretrained as pretrained,
)
from . import (
    registry as registry,
)
from . import (
    reports as reports,
)
from . import (
    runtimes as runtimes,
)
from . import (
    surgery as surgery,
)
from . import (
    training as training,
)
from .blocks import create_block as create_block
from .blocks import list_blocks as list_blocks
from .checkpoint import load_checkpoint as load_checkpoint
from .convert import convert_checkpoint as convert_checkpoint
from .errors import CheckpointError as CheckpointError
from .errors import OptimizationError as OptimizationError
from .exporting import ExportError as ExportError
from .exporting import ExportReport as ExportReport
from .exporting import export as export
from .factory import create_model as create_model
from .hub import HubError as HubError
from .hub import push_to_hub as push_to_hub
from .inference import Prediction as Prediction
from .inference import Predictor as Predictor
from .inference import create_transform as create_transform
from .optimization import optimize as optimize
from .pretrained import (
    PretrainedCfg as PretrainedCfg,
)
from .pretrained import (
    get_pretrained_cfg as get_pretrained_cfg,
)
from .pretrained import (
    is_model_pretrained as is_model_pretrained,
)
from .pretrained import (
    list_models as list_models,
)
from .pretrained import (
    list_pretrained as list_pretrained,
)
from .registry import (
    is_model as is_model,
)
from .registry import (
    model_entrypoint as model_entrypoint,
)
from .registry import (
    register_model as register_model,
)
from .version import __version__ as __version__
