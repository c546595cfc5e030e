package main

import (
	"encoding/json"
	"os"
	"reflect"
	"sort"
	"strings"

	"k8s.io/client-go/kubernetes/scheme"
)

// presence prints which scalar fields of the types are pointers ("name?") and which JSON always shows ("name!").
func presence() {
	found := map[string]map[string]string{}
	seen := map[reflect.Type]bool{}
	for kind, one := range scheme.Scheme.AllKnownTypes() {
		if !strings.Contains(kind.Version, "alpha") && !strings.Contains(kind.Version, "beta") && kind.Version != "__internal" {
			note(one, seen, found)
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		fail("presence", err)
	}
}

func note(one reflect.Type, seen map[reflect.Type]bool, found map[string]map[string]string) {
	for one.Kind() == reflect.Pointer || one.Kind() == reflect.Slice || one.Kind() == reflect.Map {
		one = one.Elem()
	}
	if one.Kind() != reflect.Struct || seen[one] || !strings.HasPrefix(one.PkgPath(), "k8s.io/") {
		return
	}
	seen[one] = true
	var marks []string
	for i := range one.NumField() {
		field := one.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		number := field.Tag.Get("protobuf")
		if number == "-" {
			continue
		}
		note(field.Type, seen, found)
		if number != "" && name != "" && name != "-" {
			if mark := markOf(field.Type, options); mark != "" {
				marks = append(marks, name+mark)
			}
		}
	}
	if len(marks) == 0 {
		return
	}
	sort.Strings(marks)
	home := "io.k8s." + strings.Join(strings.Split(one.PkgPath(), "/")[1:], ".")
	if found[home] == nil {
		found[home] = map[string]string{}
	}
	found[home][one.Name()] = strings.Join(marks, " ")
}

func markOf(one reflect.Type, options string) string {
	pointer := one.Kind() == reflect.Pointer
	if pointer {
		one = one.Elem()
	}
	isIntOrString := one.Name() == "IntOrString"
	switch one.Kind() {
	case reflect.String, reflect.Bool, reflect.Int32, reflect.Int64, reflect.Float64, reflect.Uint8:
	default:
		if !isIntOrString {
			return ""
		}
	}
	if pointer {
		return "?"
	}
	if strings.Contains(options, "omit") || isIntOrString {
		return ""
	}
	return "!"
}
