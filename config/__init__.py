"""RunConfig: everything a run can be told, one YAML file, unknown keys refused.

A field's docstring stands under the field. Defaults are the pocket profile.
"""

from .budget import RunBudget
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
)
from .training import LoraConfig, SolverTraining

__all__ = [
    "FAMILY",
    "LOCAL",
    "MOST_REPLICAS",
    "NONE",
    "POCKET_LENGTH",
    "ROLES",
    "TRAINED",
    "Budget",
    "CurriculumConfig",
    "GateConfig",
    "GeneratorConfig",
    "HandbookConfig",
    "LabelsConfig",
    "LoraConfig",
    "MemoryConfig",
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
    "changed",
    "dump",
    "load",
]
