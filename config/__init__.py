"""RunConfig: everything a run can be told, one YAML file, unknown keys refused.

A field's docstring stands under the field. Defaults are the pocket profile.
"""

from .budget import RunBudget
from .pairs import PairsConfig
from .reading import changed, dump, load
from .roles import (
    FAMILY,
    LOCAL,
    NONE,
    ROLES,
    TRAINED,
    Budget,
    GeneratorConfig,
    Price,
    Role,
    Sampling,
    SolverConfig,
    TeacherConfig,
    VerifierConfig,
)
from .run import RunConfig
from .sections import (
    MOST_REPLICAS,
    POCKET_LENGTH,
    CurriculumConfig,
    GateConfig,
    HandbookConfig,
    LabelsConfig,
    MemoryConfig,
    PocketModel,
    ServingConfig,
    SetsConfig,
    WatchConfig,
)
from .training import AveragingConfig, GuardsConfig, LoraConfig, SolverTraining

__all__ = [
    "FAMILY",
    "LOCAL",
    "MOST_REPLICAS",
    "NONE",
    "POCKET_LENGTH",
    "ROLES",
    "TRAINED",
    "AveragingConfig",
    "Budget",
    "CurriculumConfig",
    "GateConfig",
    "GeneratorConfig",
    "GuardsConfig",
    "HandbookConfig",
    "LabelsConfig",
    "LoraConfig",
    "MemoryConfig",
    "PairsConfig",
    "PocketModel",
    "Price",
    "Role",
    "RunBudget",
    "RunConfig",
    "Sampling",
    "ServingConfig",
    "SetsConfig",
    "SolverConfig",
    "SolverTraining",
    "TeacherConfig",
    "VerifierConfig",
    "WatchConfig",
    "changed",
    "dump",
    "load",
]
