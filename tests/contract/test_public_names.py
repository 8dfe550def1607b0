"""The contract's public names: node, trainer, tools and users' own programs build on them, so a change shows here."""

import ast
import importlib
import inspect
from pathlib import Path

import pytest

import sonyc_contract

_FOLDER = Path(sonyc_contract.__file__).parent

_PUBLIC = {
    "archive": "MAX_MEMBERS read_archive write_archive",
    "audio": """Audio AudioReader FloatArray MAX_RATE_HZ MIN_RATE_HZ check_finite from_int16 leq_dbfs open_audio
        parse_audio read_audio resample resample_blocks to_int16""",
    "bundle": """Agreement Bundle EMBEDDING GOLDEN MANIFEST MAX_ARCHIVE_BYTES MAX_MANIFEST_BYTES MODEL_CARD Manifest
        MemberRecord SCHEMA_VERSION head_member pack_bundle parse_bundle read_bundle""",
    "commands": """ACKNOWLEDGEMENT_SCHEMA Acknowledgement COMMANDS COMMAND_ID_PATTERN COMMAND_SCHEMA Command
        MAX_COMMAND_BYTES Operation Result SetCaptureMode SetLevel SetStoreMode SetThresholds Status""",
    "codec": """DEFAULT_STORAGE_RATE_HZ ENCODABLE_RATES_HZ STORAGE_RATES_HZ decode encode encoder_version round_trip""",
    "containers": "container_name is_lone_mp3_frame lacks_bytes states_n_frames",
    "errors": """AudioError BundleError BundleVersionError CodecError ConfigError ContractError DigestMismatchError
        FrontendError GoldenMismatchError LevelError ModelError""",
    "files": "sha256_hex whole_file write_whole",
    "frontend": """COMPACT EDGEL3_SEA Frontend FrontendSpec OPENL3 OPENL3_AS_TRAINED PRESETS Padding SONYC_8K
        SONYC_COMPAT mel_bank preset""",
    "golden": """Golden MAX_GOLDEN_BYTES MAX_TOLERANCE SelfTestReport dump_golden load_golden make_golden self_test""",
    "labels": "LABELS LABEL_INDEX N_LABELS by_label",
    "levels": "Level parse_level",
    "messages": """AudioReason AudioRecord BANDS_HZ CLIP_SCHEMA ClassNames Clip ClockQuality ConfigHash Fingerprint
        HeadName LABEL_SCHEMA LabelEvent LevelUnit Levels Message MinuteLevel NODE_ID_PATTERN NodeId PerClass
        PerSomeClasses RandomId SPL_SCHEMA Sealed Sha256 SoundLevel StoredClip Unit UtcTime dump_message""",
    "recognise": """ANY_HEAD Calibration Embedder EmbeddingSpec HeadSpec InputLayout Pooling Probabilities Recogniser
        Scores calibrated detections head_for pooled_logits""",
    "reports": """BrokerHealth CLOCK_SET_SCHEMA COMPLETENESS_SCHEMA CaptureHealth ClockSet CommandHealth Completeness
        Count EVICTED_SCHEMA Evicted HEALTH_SCHEMA Hour LabelHealth MachineHealth MicrophoneHealth NodeHealth NodeState
        Presence QueueHealth STATE_SCHEMA Seconds SettingsInEffect StoreHealth""",
    "runtime": "Interpreter Runtime TfliteInterpreter open_interpreter runtime_version",
    "schemas": "SCHEMA_FILES main schema_text write_schemas",
    "settings": "Settings describe load_toml",
    "stored": """FINGERPRINT_CHARS SEALED_SUFFIX fingerprint is_sealed is_sealed_clip load_sidecar read_sidecar
        refuse_sealed sidecar_path""",
}


def _public_names(module: str) -> set[str]:
    """Names that a module defines itself, at its top level, without an underscore in front."""
    names: set[str] = set()
    for node in ast.parse((_FOLDER / f"{module}.py").read_text()).body:
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case ast.Assign(targets=targets):
                names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return {name for name in names if not name.startswith("_")}


def test_modules() -> None:
    assert {path.stem for path in _FOLDER.glob("*.py")} == {"__init__", *_PUBLIC}


@pytest.mark.parametrize("module", _PUBLIC)
def test_public_names(module: str) -> None:
    assert _public_names(module) == set(_PUBLIC[module].split())


@pytest.mark.parametrize("module", _PUBLIC)
def test_what_is_public_is_described(module: str) -> None:
    loaded = importlib.import_module(f"sonyc_contract.{module}")
    assert inspect.getdoc(loaded)
    for name in _public_names(module):
        thing = getattr(loaded, name)
        if inspect.isclass(thing) or inspect.isfunction(thing):
            assert inspect.getdoc(thing), f"{module}.{name}"
