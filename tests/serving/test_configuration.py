"""The files of `export/serving` parse, and name what there is."""

import re

import pytest

pytest.importorskip("yaml", reason="needs PyYAML, of the extra test")
pytest.importorskip("tensorflow_serving", reason="needs the extra serving: tensorflow-serving-api")
import tensorflow as tf
import yaml
from google.protobuf import (
    descriptor_pb2,
    descriptor_pool,
    message_factory,
    text_format,
    wrappers_pb2,
)
from tensorflow_serving.config import model_server_config_pb2

from tests.serving.conftest import EXPORT, SERVING
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
    "tensorflow_intra_op_parallelism": int,
    "tensorflow_inter_op_parallelism": int,
}
README = (SERVING / "README.md").read_text("utf-8")


def read(name):
    return (SERVING / name).read_text("utf-8")


def batching_parameters(text):
    """Text of TensorFlow Serving's message `BatchingParameters`, which no package brings."""
    fields = (
        ("max_batch_size", "Int64Value"),
        ("batch_timeout_micros", "Int64Value"),
        ("max_enqueued_batches", "Int64Value"),
        ("num_batch_threads", "Int64Value"),
        ("thread_pool_name", "StringValue"),
        ("enable_large_batch_splitting", "BoolValue"),
    )
    file = descriptor_pb2.FileDescriptorProto(
        name="batching.proto", package="serving", syntax="proto3"
    )
    file.dependency.append("google/protobuf/wrappers.proto")
    message = file.message_type.add(name="BatchingParameters")
    for number, (name, kind) in enumerate(fields, 1):
        message.field.add(
            name=name,
            number=number,
            type=descriptor_pb2.FieldDescriptorProto.TYPE_MESSAGE,
            label=descriptor_pb2.FieldDescriptorProto.LABEL_OPTIONAL,
            type_name=f".google.protobuf.{kind}",
        )
    pool = descriptor_pool.DescriptorPool()
    wrappers = descriptor_pb2.FileDescriptorProto()
    wrappers_pb2.DESCRIPTOR.CopyToProto(wrappers)
    pool.Add(wrappers)
    pool.Add(file)
    kind = message_factory.GetMessageClass(pool.FindMessageTypeByName("serving.BatchingParameters"))
    parsed = text_format.Parse(text, kind(), descriptor_pool=pool)
    return {field.name: value.value for field, value in parsed.ListFields()}


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
    limit = batching_parameters(read("batching_params.pbtxt"))["max_batch_size"]
    assert args.batch <= limit and f"`max_batch_size`, {limit}; " in README
    assert f"the clients send {args.batch} at once" in README


def test_batching():
    shared = batching_parameters(read("batching.config"))
    own = batching_parameters(read("batching_params.pbtxt"))
    assert set(shared) == {"thread_pool_name", "num_batch_threads"}
    assert not set(own) & set(shared)
    # Neither padding with a first id nor parts that do not fit together again.
    assert own["enable_large_batch_splitting"] is False
    assert "pad_variable_length_inputs:" not in read("batching_params.pbtxt")
    with pytest.raises(text_format.ParseError):
        batching_parameters("max_batch { value: 3 }")


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
    assert given["rest_api_port"] in check and "/v1/models/translate" in check


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
        assert container[probe]["httpGet"]["path"] == "/v1/models/translate"
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
    flags(model["args"])
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
