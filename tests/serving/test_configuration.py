"""The files of `export/serving` parse, and name what there is."""

import re

import pytest

pytest.importorskip("yaml", reason="needs PyYAML, of the extra test")
pytest.importorskip("tensorflow_serving", reason="needs the extra serving: tensorflow-serving-api")
import tensorflow as tf
import yaml
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from keras_attention.export.batching import MAX_BATCH_SIZE
from tests.serving.conftest import EXPORT, SERVING
from tests.support.batching import batching_parameters
from tests.support.mirror import said
from tests.support.model_server import ModelServer

# Of tensorflow_model_server, as far as they are used.
FLAGS = {
    "port": int,
    "rest_api_port": int,
    "model_config_file": str,
    "model_config_file_poll_wait_seconds": int,
    "allow_version_labels_for_unavailable_models": bool,
    "enable_batching": bool,
    "batching_parameters_file": str,
    "enable_per_model_batching_parameters": bool,
    "enable_model_warmup": bool,
    "num_load_threads": int,
    "max_num_load_retries": int,
    "load_retry_interval_micros": int,
    "grpc_max_threads": int,
    "rest_api_num_threads": int,
    "tensorflow_intra_op_parallelism": int,
    "tensorflow_inter_op_parallelism": int,
}
# As measured, for every way of starting it.
MEASURED = {
    "num_load_threads": "2",
    "max_num_load_retries": "1",
    "load_retry_interval_micros": "5000000",
    "grpc_max_threads": "100",
    "rest_api_num_threads": "64",
    "tensorflow_intra_op_parallelism": "1",
    "tensorflow_inter_op_parallelism": "2",
}
METADATA = "/v1/models/translate/metadata"
README = (SERVING / "README.md").read_text("utf-8")


def read(name):
    return (SERVING / name).read_text("utf-8")


def flags(arguments):
    """The flags of a command line, each of which the server knows and can read."""
    found = dict(argument.removeprefix("--").split("=", 1) for argument in arguments)
    for name, value in found.items():
        assert name in FLAGS, name
        if FLAGS[name] is bool:
            assert value in ("true", "false")
        elif FLAGS[name] is int:
            int(value)
    return found


def started(name):
    """The flags with which a file starts the server."""
    first, *_ = yaml.safe_load_all(read(name))
    if "services" in first:
        return flags(first["services"]["serving"]["command"])
    if first["kind"] == "InferenceService":
        return flags(first["spec"]["predictor"]["model"]["args"])
    (container,) = first["spec"]["template"]["spec"]["containers"]
    return flags(container["args"])


def configured():
    config = text_format.Parse(read("models.config"), model_server_config_pb2.ModelServerConfig())
    return config.model_config_list.config


def test_models_and_their_labels():
    names = [model.name for model in configured()]
    assert names == ["translate", "translate_ids"] and len(set(names)) == len(names)
    for model in configured():
        assert model.base_path == f"/models/{model.name}"
        assert model.model_platform == "tensorflow"
        served = set(model.model_version_policy.specific.versions)
        assert set(model.version_labels.values()) <= served


def test_the_server_loads_the_models_of_the_configuration(models, tmp_path):
    (tmp_path / "translate").symlink_to(models / "translate")
    (tmp_path / "translate_ids").symlink_to(models / "translate")
    server = ModelServer(read("models.config"), tmp_path)
    assert list(server.models["translate"]) == [1] and list(server.models["translate_ids"]) == [2]
    answer = server.rest("/v1/models/translate/labels/stable:predict", {"instances": ["a b"]})
    assert answer["predictions"][0]["texts"] == said("a b")


def test_the_clients_ask_for_a_model_that_is_configured(module):
    args = module("client").parser("", "").parse_args([])
    assert args.model in [model.name for model in configured()]
    assert args.batch <= MAX_BATCH_SIZE and f"`max_batch_size`, {MAX_BATCH_SIZE}; " in README
    assert f"the clients send {args.batch} at once" in README


def test_batching():
    shared = batching_parameters(read("batching.config"))
    assert shared == {"thread_pool_name": "batches", "num_batch_threads": 2}


@pytest.mark.parametrize("name", ["compose.yaml", "kubernetes.yaml", "kserve.yaml"])
def test_flags_are_those_that_were_measured(name):
    given = started(name)
    assert {flag: given.get(flag) for flag in MEASURED} == MEASURED


def test_the_readme_gives_the_flags_that_are_set():
    for flag, value in re.findall(r"--(\w+)=(\w+)", README):
        assert MEASURED[flag] == value


def test_compose():
    service = yaml.safe_load(read("compose.yaml"))["services"]["serving"]
    given = flags(service["command"])
    mounted = {}
    for volume in service["volumes"]:
        source, target, mode = re.sub(r"\$\{\w+:-(.*?)\}", r"\1", volume).split(":")
        assert mode == "ro"
        mounted[target] = SERVING / source
    for flag in ("model_config_file", "batching_parameters_file"):
        folder, _, name = given[flag].rpartition("/")
        assert (mounted[folder] / name).is_file()
    for model in configured():
        folder = model.base_path.rpartition("/")[0]
        path = (mounted[folder] / model.name).relative_to(EXPORT.parent)
        assert f"{path}" in README
    # A label at the start, and a model's own file, need a flag each.
    assert given["allow_version_labels_for_unavailable_models"] == "true"
    assert given["enable_per_model_batching_parameters"] == given["enable_batching"] == "true"
    ports = {port.rpartition(":")[2] for port in service["ports"]}
    assert ports == {given["port"], given["rest_api_port"]}
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    check = service["healthcheck"]["test"][-1]
    assert given["rest_api_port"] in check and f"GET {METADATA} HTTP" in check
    assert int(service["stop_grace_period"].removesuffix("s")) <= 5


def test_kubernetes():
    deployment, service, scaler = yaml.safe_load_all(read("kubernetes.yaml"))
    assert [part["kind"] for part in (deployment, service, scaler)] == [
        "Deployment",
        "Service",
        "HorizontalPodAutoscaler",
    ]
    pod = deployment["spec"]["template"]
    assert deployment["spec"]["selector"]["matchLabels"] == pod["metadata"]["labels"]
    assert service["spec"]["selector"] == pod["metadata"]["labels"]
    assert scaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    (container,) = pod["spec"]["containers"]
    given = flags(container["args"])
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": int(given["port"]), "rest": int(given["rest_api_port"])}
    assert {port["targetPort"] for port in service["spec"]["ports"]} == set(ports)
    for probe in ("startupProbe", "readinessProbe"):
        assert container[probe]["httpGet"]["path"] == METADATA
    assert pod["spec"]["terminationGracePeriodSeconds"] <= 10
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    assert set(mounts.values()) == set(volumes)
    config = volumes[mounts[given["model_config_file"].rpartition("/")[0]]]["configMap"]["name"]
    assert f"kubectl create configmap {config} " in read("kubernetes.yaml")
    assert all(mounts[model.base_path.rpartition("/")[0]] == "models" for model in configured())


def test_kserve():
    service = yaml.safe_load(read("kserve.yaml"))
    assert service["apiVersion"] == "serving.kserve.io/v1beta1"
    assert service["kind"] == "InferenceService"
    model = service["spec"]["predictor"]["model"]
    assert model["modelFormat"]["name"] == "tensorflow" and model["protocolVersion"] == "v1"
    claim, _, name = model["storageUri"].removeprefix("pvc://").partition("/")
    assert name == "translate" and f"claimName: {claim}" in read("kubernetes.yaml")
    assert name in [one.name for one in configured()]
    assert model["readinessProbe"]["httpGet"]["path"] == METADATA
    assert service["spec"]["predictor"]["terminationGracePeriodSeconds"] <= 10
    assert set(model["resources"]["requests"]) == set(model["resources"]["limits"])


def test_one_image_that_fits_the_exporter():
    tags = set(re.findall(r"tensorflow/serving:(?:\$\{TF_SERVING_VERSION:-)?([\d.]+)", README))
    for name in ("compose.yaml", "kubernetes.yaml"):
        tags |= set(
            re.findall(r"tensorflow/serving:(?:\$\{TF_SERVING_VERSION:-)?([\d.]+)", read(name))
        )
    tags |= set(re.findall(r"runtimeVersion: ([\d.]+)", read("kserve.yaml")))
    (tag,) = tags
    assert tag.split(".")[:2] == tf.__version__.split(".")[:2]


def test_the_readme_names_what_there_is():
    for path in re.findall(r"export/[\w./]+\w", README):
        if "/served" not in path:
            assert (EXPORT.parent / path).exists(), path
    files = {path.name for path in SERVING.iterdir() if path.is_file()}
    table = README.partition("## What is here")[2].partition("\n## ")[0]
    assert files - {"README.md"} == set(re.findall(r"`([\w.]+\.\w+)`", table))
