"""What people do with the Python client. Prints "ok <name>" a check; an exception ends it."""

import threading
import time

from kubernetes import client, config, dynamic, watch
from kubernetes.client.rest import ApiException

config.load_kube_config()
core = client.CoreV1Api()
apps = client.AppsV1Api()


def config_map(name):
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name), data={"key": "value"})


def typed():
    made = core.create_namespaced_config_map("default", config_map("python"))
    assert made.metadata.creation_timestamp.year > 2000
    made.data["key"] = "other"
    core.replace_namespaced_config_map("python", "default", made)
    assert core.read_namespaced_config_map("python", "default").data["key"] == "other"
    assert len(core.list_namespaced_config_map("default", limit=1).items) == 1
    core.delete_namespaced_config_map("python", "default")
    try:
        core.read_namespaced_config_map("python", "default")
        raise AssertionError("it is still there")
    except ApiException as error:
        assert error.status == 404 and '"reason":"NotFound"' in error.body.replace(" ", "")


def patches():
    core.create_namespaced_config_map("default", config_map("patched-py"))
    core.patch_namespaced_config_map("patched-py", "default", {"data": {"merge": "1"}})
    core.patch_namespaced_config_map(
        "patched-py", "default", [{"op": "add", "path": "/data/json", "value": "1"}]
    )
    assert set(core.read_namespaced_config_map("patched-py", "default").data) == {"key", "merge", "json"}


def watches():
    def change():
        time.sleep(0.5)
        core.create_namespaced_config_map("default", config_map("watched-py"))

    threading.Thread(target=change).start()
    stream = watch.Watch()
    for event in stream.stream(core.list_namespaced_config_map, "default", timeout_seconds=30):
        if event["object"].metadata.name == "watched-py":
            assert event["type"] == "ADDED"
            stream.stop()
            return
    raise AssertionError("no event came")


def workload():
    labels = {"app": "python"}
    container = client.V1Container(name="main", image="busybox:1.36", command=["sleep", "1000"])
    template = client.V1PodTemplateSpec(
        metadata=client.V1ObjectMeta(labels=labels), spec=client.V1PodSpec(containers=[container])
    )
    spec = client.V1DeploymentSpec(
        replicas=1, selector=client.V1LabelSelector(match_labels=labels), template=template
    )
    body = client.V1Deployment(metadata=client.V1ObjectMeta(name="python"), spec=spec)
    apps.create_namespaced_deployment("default", body)
    for _ in range(300):
        if apps.read_namespaced_deployment_status("python", "default").status.ready_replicas == 1:
            break
        time.sleep(0.1)
    apps.patch_namespaced_deployment_scale("python", "default", {"spec": {"replicas": 0}})
    pods = core.list_namespaced_pod("default", label_selector="app=python").items
    assert isinstance(core.read_namespaced_pod_log(pods[0].metadata.name, "default"), str)


def dynamic_client():
    any_kind = dynamic.DynamicClient(client.ApiClient())
    nodes = any_kind.resources.get(api_version="v1", kind="Node")
    assert len(nodes.get().items) > 0
    autoscalers = any_kind.resources.get(api_version="autoscaling/v1", kind="HorizontalPodAutoscaler")
    assert autoscalers.get(namespace="default").items == []


def groups():
    assert client.VersionApi().get_code().minor == "36"
    names = [group.name for group in client.ApisApi().get_api_versions().groups]
    assert "apps" in names and "rbac.authorization.k8s.io" in names
    assert len(apps.get_api_resources().resources) > 10


for check in [typed, patches, watches, workload, dynamic_client, groups]:
    check()
    print("ok", check.__name__, flush=True)
