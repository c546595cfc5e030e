// A Kubernetes controller's view of the server: typed clients that speak protobuf and nothing else, informers,
// the metadata client, patches and errors. Prints "ok <name>" a check; ends with 1 at the first that fails.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/watch"
	coreapply "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

const protobuf = "application/vnd.kubernetes.protobuf"

var ctx = context.Background()

type check struct {
	name string
	run  func(*kubernetes.Clientset, *rest.Config) error
}

var checks = []check{
	{"create, get, update and delete", crud},
	{"lists in pages", pages},
	{"watch", watches},
	{"informer", informer},
	{"patches and apply", patches},
	{"scale", scale},
	{"errors", failures},
	{"token and access reviews", reviews},
	{"metadata alone", metadataAlone},
	{"discovery", discovery},
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "presence" {
		presence()
		return
	}
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		fail("kubeconfig", err)
	}
	config.ContentType = protobuf
	config.AcceptContentTypes = protobuf
	config.QPS = 1000
	config.Burst = 1000
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		fail("client", err)
	}
	for _, one := range checks {
		if err := one.run(client, config); err != nil {
			fail(one.name, err)
		}
		fmt.Println("ok", one.name)
	}
}

func fail(name string, err error) {
	fmt.Println("failed", name+":", err)
	os.Exit(1)
}

func pointer[T any](value T) *T { return &value }

func expect(what string, got, wanted any) error {
	if fmt.Sprint(got) == fmt.Sprint(wanted) {
		return nil
	}
	return fmt.Errorf("%s is %v, not %v", what, got, wanted)
}

func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func deployment(name string) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{"text": "grüße"}},
		Spec: appsv1.DeploymentSpec{
			Replicas: pointer(int32(0)),
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Strategy: appsv1.DeploymentStrategy{RollingUpdate: &appsv1.RollingUpdateDeployment{
				MaxSurge:       pointer(intstr.FromInt32(0)),
				MaxUnavailable: pointer(intstr.FromString("50%")),
			}},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					AutomountServiceAccountToken: pointer(false),
					Containers: []corev1.Container{{
						Name:  "main",
						Image: "nginx",
						Resources: corev1.ResourceRequirements{
							Requests: corev1.ResourceList{"cpu": resource.MustParse("0.5"), "memory": resource.MustParse("64Mi")},
						},
						SecurityContext: &corev1.SecurityContext{RunAsUser: pointer(int64(0))},
					}},
				},
			},
		},
	}
}

func crud(client *kubernetes.Clientset, _ *rest.Config) error {
	deployments := client.AppsV1().Deployments("default")
	made, err := deployments.Create(ctx, deployment("go"), metav1.CreateOptions{})
	if err != nil {
		return err
	}
	pod := made.Spec.Template.Spec
	if err := first(
		expect("replicas", *made.Spec.Replicas, 0),
		expect("maxSurge", made.Spec.Strategy.RollingUpdate.MaxSurge, "0"),
		expect("maxUnavailable", made.Spec.Strategy.RollingUpdate.MaxUnavailable, "50%"),
		expect("automount", *pod.AutomountServiceAccountToken, false),
		expect("runAsUser", *pod.Containers[0].SecurityContext.RunAsUser, 0),
		expect("cpu", pod.Containers[0].Resources.Requests.Cpu(), "500m"),
		expect("default", pod.RestartPolicy, "Always"),
		expect("annotation", made.Annotations["text"], "grüße"),
		expect("creation", time.Since(made.CreationTimestamp.Time) < time.Minute, true),
		expect("managers", len(made.ManagedFields) > 0, true),
	); err != nil {
		return err
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "go"}, Data: map[string][]byte{"raw": {0, 255, 7}}}
	if _, err := client.CoreV1().Secrets("default").Create(ctx, secret, metav1.CreateOptions{}); err != nil {
		return err
	}
	kept, err := client.CoreV1().Secrets("default").Get(ctx, "go", metav1.GetOptions{})
	if err != nil {
		return err
	}
	read, err := deployments.Get(ctx, "go", metav1.GetOptions{})
	if err != nil {
		return err
	}
	read.Labels = map[string]string{"seen": "yes"}
	updated, err := deployments.Update(ctx, read, metav1.UpdateOptions{})
	if err != nil {
		return err
	}
	updated.Status.ObservedGeneration = updated.Generation
	if _, err := deployments.UpdateStatus(ctx, updated, metav1.UpdateOptions{}); err != nil && !errors.IsConflict(err) {
		return err
	}
	now := int64(0)
	return first(
		expect("bytes", kept.Data["raw"], []byte{0, 255, 7}),
		expect("label", updated.Labels["seen"], "yes"),
		client.CoreV1().Secrets("default").Delete(ctx, "go", metav1.DeleteOptions{GracePeriodSeconds: &now}),
		deployments.Delete(ctx, "go", metav1.DeleteOptions{PropagationPolicy: pointer(metav1.DeletePropagationBackground)}),
	)
}

func configMap(name string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"set": "go"}},
		Data:       map[string]string{"key": name},
	}
}

func pages(client *kubernetes.Clientset, _ *rest.Config) error {
	maps := client.CoreV1().ConfigMaps("default")
	for i := range 25 {
		if _, err := maps.Create(ctx, configMap(fmt.Sprintf("page-%d", i)), metav1.CreateOptions{}); err != nil {
			return err
		}
	}
	seen := 0
	options := metav1.ListOptions{Limit: 10, LabelSelector: "set=go"}
	for {
		list, err := maps.List(ctx, options)
		if err != nil {
			return err
		}
		seen += len(list.Items)
		if list.Continue == "" {
			break
		}
		options.Continue = list.Continue
	}
	return first(
		expect("items", seen, 25),
		maps.DeleteCollection(ctx, metav1.DeleteOptions{}, metav1.ListOptions{LabelSelector: "set=go"}),
	)
}

func watches(client *kubernetes.Clientset, _ *rest.Config) error {
	maps := client.CoreV1().ConfigMaps("default")
	list, err := maps.List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	events, err := maps.Watch(ctx, metav1.ListOptions{ResourceVersion: list.ResourceVersion, AllowWatchBookmarks: true})
	if err != nil {
		return err
	}
	defer events.Stop()
	made, err := maps.Create(ctx, configMap("watched"), metav1.CreateOptions{})
	if err != nil {
		return err
	}
	made.Data["key"] = "changed"
	if _, err := maps.Update(ctx, made, metav1.UpdateOptions{}); err != nil {
		return err
	}
	if err := maps.Delete(ctx, "watched", metav1.DeleteOptions{}); err != nil {
		return err
	}
	for _, wanted := range []watch.EventType{watch.Added, watch.Modified, watch.Deleted} {
		select {
		case event := <-events.ResultChan():
			object, ok := event.Object.(*corev1.ConfigMap)
			if err := first(expect("event", event.Type, wanted), expect("typed", ok, true)); err != nil {
				return err
			}
			if err := expect("name", object.Name, "watched"); err != nil {
				return err
			}
		case <-time.After(20 * time.Second):
			return fmt.Errorf("no %s came", wanted)
		}
	}
	old, err := maps.Watch(ctx, metav1.ListOptions{ResourceVersion: "99999999999"})
	if err == nil {
		old.Stop()
		return nil
	}
	return expect("too new", errors.IsTimeout(err) || errors.HasStatusCause(err, metav1.CauseTypeResourceVersionTooLarge), true)
}

func informer(client *kubernetes.Clientset, _ *rest.Config) error {
	factory := informers.NewSharedInformerFactory(client, 0)
	maps := factory.Core().V1().ConfigMaps()
	added := make(chan string, 1000)
	_, err := maps.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(object any) { added <- object.(*corev1.ConfigMap).Name },
	})
	if err != nil {
		return err
	}
	factory.Core().V1().Namespaces().Informer()
	stop := make(chan struct{})
	defer close(stop)
	factory.Start(stop)
	for kind, synced := range factory.WaitForCacheSync(stop) {
		if !synced {
			return fmt.Errorf("%s did not sync", kind)
		}
	}
	if _, err := client.CoreV1().ConfigMaps("default").Create(ctx, configMap("informed"), metav1.CreateOptions{}); err != nil {
		return err
	}
	for {
		select {
		case name := <-added:
			if name != "informed" {
				continue
			}
			if _, err := maps.Lister().ConfigMaps("default").Get("informed"); err != nil {
				return err
			}
			return client.CoreV1().ConfigMaps("default").Delete(ctx, "informed", metav1.DeleteOptions{})
		case <-time.After(20 * time.Second):
			return fmt.Errorf("the informer heard of nothing")
		}
	}
}

func patches(client *kubernetes.Clientset, _ *rest.Config) error {
	maps := client.CoreV1().ConfigMaps("default")
	if _, err := maps.Create(ctx, configMap("patched"), metav1.CreateOptions{}); err != nil {
		return err
	}
	for kind, patch := range map[types.PatchType]string{
		types.JSONPatchType:           `[{"op":"add","path":"/data/json","value":"1"}]`,
		types.MergePatchType:          `{"data":{"merge":"1"}}`,
		types.StrategicMergePatchType: `{"data":{"strategic":"1"}}`,
	} {
		if _, err := maps.Patch(ctx, "patched", kind, []byte(patch), metav1.PatchOptions{}); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	applied := coreapply.ConfigMap("patched", "default").WithData(map[string]string{"applied": "1"})
	got, err := maps.Apply(ctx, applied, metav1.ApplyOptions{FieldManager: "go"})
	if err != nil {
		return err
	}
	return first(expect("keys", len(got.Data), 5), maps.Delete(ctx, "patched", metav1.DeleteOptions{}))
}

func scale(client *kubernetes.Clientset, _ *rest.Config) error {
	deployments := client.AppsV1().Deployments("default")
	if _, err := deployments.Create(ctx, deployment("scaled"), metav1.CreateOptions{}); err != nil {
		return err
	}
	now, err := deployments.GetScale(ctx, "scaled", metav1.GetOptions{})
	if err != nil {
		return err
	}
	wanted := &autoscalingv1.Scale{ObjectMeta: now.ObjectMeta, Spec: autoscalingv1.ScaleSpec{Replicas: 2}}
	wanted.ResourceVersion = ""
	scaled, err := deployments.UpdateScale(ctx, "scaled", wanted, metav1.UpdateOptions{})
	if err != nil {
		return err
	}
	return first(
		expect("replicas", scaled.Spec.Replicas, 2),
		deployments.Delete(ctx, "scaled", metav1.DeleteOptions{PropagationPolicy: pointer(metav1.DeletePropagationBackground)}),
	)
}

func failures(client *kubernetes.Clientset, _ *rest.Config) error {
	maps := client.CoreV1().ConfigMaps("default")
	_, missing := maps.Get(ctx, "nothing", metav1.GetOptions{})
	made, err := maps.Create(ctx, configMap("failing"), metav1.CreateOptions{})
	if err != nil {
		return err
	}
	_, again := maps.Create(ctx, configMap("failing"), metav1.CreateOptions{})
	made.ResourceVersion = "1"
	_, stale := maps.Update(ctx, made, metav1.UpdateOptions{})
	_, invalid := maps.Create(ctx, configMap("Not A Name"), metav1.CreateOptions{})
	status, _ := invalid.(errors.APIStatus)
	return first(
		expect("not found", errors.IsNotFound(missing), true),
		expect("already exists", errors.IsAlreadyExists(again), true),
		expect("conflict", errors.IsConflict(stale), true),
		expect("invalid", errors.IsInvalid(invalid), true),
		expect("cause", status.Status().Details.Causes[0].Field, "metadata.name"),
		maps.Delete(ctx, "failing", metav1.DeleteOptions{}),
	)
}

func reviews(client *kubernetes.Clientset, _ *rest.Config) error {
	request := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: pointer(int64(3600))}}
	token, err := client.CoreV1().ServiceAccounts("default").CreateToken(ctx, "default", request, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	review, err := client.AuthenticationV1().TokenReviews().Create(ctx,
		&authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token.Status.Token}}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	access, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
		Spec: authorizationv1.SelfSubjectAccessReviewSpec{
			ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "list", Resource: "pods"},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	return first(
		expect("user", review.Status.User.Username, "system:serviceaccount:default:default"),
		expect("extra", len(review.Status.User.Extra) > 0, true),
		expect("allowed", access.Status.Allowed, true),
	)
}

func metadataAlone(client *kubernetes.Clientset, config *rest.Config) error {
	names, err := metadata.NewForConfig(config)
	if err != nil {
		return err
	}
	spaces := names.Resource(corev1.SchemeGroupVersion.WithResource("namespaces"))
	list, err := spaces.List(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	one, err := spaces.Get(ctx, "default", metav1.GetOptions{})
	if err != nil {
		return err
	}
	events, err := spaces.Watch(ctx, metav1.ListOptions{})
	if err != nil {
		return err
	}
	defer events.Stop()
	event := <-events.ResultChan()
	_, ok := event.Object.(*metav1.PartialObjectMetadata)
	return first(
		expect("namespaces", len(list.Items) >= 4, true),
		expect("name", one.Name, "default"),
		expect("watched", ok, true),
	)
}

func discovery(client *kubernetes.Clientset, config *rest.Config) error {
	version, err := client.Discovery().ServerVersion()
	if err != nil {
		return err
	}
	_, lists, err := client.Discovery().ServerGroupsAndResources()
	if err != nil {
		return err
	}
	apps, err := client.Discovery().ServerResourcesForGroupVersion("apps/v1")
	if err != nil {
		return err
	}
	if _, err := client.Discovery().OpenAPISchema(); err != nil {
		return err
	}
	paths, err := client.Discovery().OpenAPIV3().Paths()
	if err != nil {
		return err
	}
	verbs := 0
	for _, one := range apps.APIResources {
		verbs += len(one.Verbs)
	}
	return first(
		expect("version", version.Minor, "36"),
		expect("groups", len(lists) > 15, true),
		expect("verbs", verbs > 30, true),
		expect("documents", len(paths) > 15, true),
	)
}
