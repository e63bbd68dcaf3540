// The API server of custom resources (k8s.io/apiextensions-apiserver) behind an older kube-apiserver, the front server. It
// registers itself there for apiextensions.k8s.io/v1 and for each group and version of its definitions, so that clients of the
// front server get custom resources as the newer Kubernetes serves them. See "hack/cluster up --crd-server".
package main

import (
	"context"
	"encoding/base64"
	"fmt"
	"os"
	"time"

	apiextensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	"k8s.io/apiextensions-apiserver/pkg/client/informers/externalversions"
	"k8s.io/apiextensions-apiserver/pkg/cmd/server"
	"k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	genericapiserver "k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/component-base/cli"

	"github.com/spf13/cobra"
)

// registeredLabel marks the APIServices of this server. The annotation "started" differs after each restart.
const (
	registeredLabel   = "crd-server"
	startedAnnotation = "started"
	serviceNamespace  = "kube-system"
	serviceName       = "apiextensions"
)

var (
	apiServices = schema.GroupVersionResource{Group: "apiregistration.k8s.io", Version: "v1", Resource: "apiservices"}
	services    = schema.GroupVersionResource{Version: "v1", Resource: "services"}
)

func main() {
	ctx := genericapiserver.SetupSignalContext()
	command := server.NewServerCommand(ctx, os.Stdout, os.Stderr)
	command.PreRunE = func(command *cobra.Command, _ []string) error { return startRegistrar(ctx, command) }
	os.Exit(cli.Run(command))
}

// startRegistrar reads the flags of the server and registers it in the background until ctx ends.
func startRegistrar(ctx context.Context, command *cobra.Command) error {
	port, err := command.Flags().GetInt("secure-port")
	if err != nil {
		return err
	}
	kubeconfig, err := command.Flags().GetString("kubeconfig")
	if err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	front, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	own := rest.CopyConfig(config)
	own.Host = fmt.Sprintf("https://127.0.0.1:%d", port)
	client, err := clientset.NewForConfig(own)
	if err != nil {
		return err
	}
	factory := externalversions.NewSharedInformerFactory(client, 0)
	r := &registrar{
		front:       front,
		definitions: factory.Apiextensions().V1().CustomResourceDefinitions().Informer(),
		authorities: base64.StdEncoding.EncodeToString(config.CAData),
		port:        int64(port),
		started:     time.Now().UTC().Format(time.RFC3339Nano),
		changed:     make(chan struct{}, 1),
	}
	go func() {
		factory.Start(ctx.Done())
		cache.WaitForCacheSync(ctx.Done(), r.definitions.HasSynced)
		r.run(ctx)
	}()
	return nil
}

type registrar struct {
	front       dynamic.Interface
	definitions cache.SharedIndexInformer
	authorities string
	port        int64
	started     string
	changed     chan struct{}
}

// run registers what has changed until ctx ends. It looks at the front server each second too, where a test may have restored
// an older state.
func (r *registrar) run(ctx context.Context) {
	notify := func() {
		select {
		case r.changed <- struct{}{}:
		default:
		}
	}
	r.definitions.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { notify() }, UpdateFunc: func(any, any) { notify() }, DeleteFunc: func(any) { notify() },
	})
	for ctx.Err() == nil {
		pause := time.Second
		if err := r.sync(ctx); err != nil {
			fmt.Fprintln(os.Stderr, "cannot register with the front server:", err)
			pause = 100 * time.Millisecond
		}
		select {
		case <-ctx.Done():
		case <-r.changed:
		case <-time.After(pause):
		}
	}
}

// sync creates, updates and deletes the APIServices of this server.
func (r *registrar) sync(ctx context.Context) error {
	service := object("v1", "Service", serviceName)
	service.SetNamespace(serviceNamespace)
	// The front server connects to the external name and the port of the APIService; it has no route to cluster IPs.
	service.Object["spec"] = map[string]any{"type": "ExternalName", "externalName": "127.0.0.1"}
	_, err := r.front.Resource(services).Namespace(serviceNamespace).Create(ctx, service, meta.CreateOptions{})
	if err != nil && !errors.IsAlreadyExists(err) {
		return err
	}
	client := r.front.Resource(apiServices)
	found, err := client.List(ctx, meta.ListOptions{})
	if err != nil {
		return err
	}
	desired := r.desired()
	for i := range found.Items {
		item := &found.Items[i]
		own := labels.Set(item.GetLabels()).Has(registeredLabel)
		want := desired[item.GetName()]
		delete(desired, item.GetName())
		switch {
		case want == nil && own:
			err := client.Delete(ctx, item.GetName(), meta.DeleteOptions{})
			if err != nil && !errors.IsNotFound(err) {
				return err
			}
		case want != nil && !(own && item.GetAnnotations()[startedAnnotation] == r.started):
			want.SetResourceVersion(item.GetResourceVersion())
			if _, err := client.Update(ctx, want, meta.UpdateOptions{}); err != nil {
				return err
			}
		}
	}
	for _, want := range desired {
		if _, err := client.Create(ctx, want, meta.CreateOptions{}); err != nil {
			return err
		}
	}
	return nil
}

// desired returns the APIServices of this server by name, with the priorities that kube-apiserver gives them.
func (r *registrar) desired() map[string]*unstructured.Unstructured {
	result := map[string]*unstructured.Unstructured{}
	add := func(group, version string, groupPriority, versionPriority int64) {
		name := version + "." + group
		result[name] = r.apiService(name, group, version, groupPriority, versionPriority)
	}
	add(apiextensions.GroupName, "v1", 16700, 15)
	for _, item := range r.definitions.GetStore().List() {
		definition, ok := item.(*apiextensions.CustomResourceDefinition)
		if !ok {
			continue
		}
		for _, version := range definition.Spec.Versions {
			if version.Served {
				add(definition.Spec.Group, version.Name, 1000, 100)
			}
		}
	}
	return result
}

func (r *registrar) apiService(name, group, version string, groupPriority, versionPriority int64) *unstructured.Unstructured {
	result := object("apiregistration.k8s.io/v1", "APIService", name)
	// The front server manages only APIServices with its own label "automanaged". The annotation makes it probe the server at once.
	result.SetLabels(map[string]string{registeredLabel: "true"})
	result.SetAnnotations(map[string]string{startedAnnotation: r.started})
	result.Object["spec"] = map[string]any{
		"group": group, "version": version, "groupPriorityMinimum": groupPriority, "versionPriority": versionPriority,
		"caBundle": r.authorities,
		"service":  map[string]any{"namespace": serviceNamespace, "name": serviceName, "port": r.port},
	}
	return result
}

func object(apiVersion, kind, name string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": apiVersion, "kind": kind, "metadata": map[string]any{"name": name},
	}}
}
