package inventory

import (
	"fmt"

	"go.yaml.in/yaml/v3"
)

// readAnsibleYAML reads an inventory in Ansible's YAML form. Nodes are looked
// at one by one, so that order, tags like !vault and numbers stay as they are
// written.
func readAnsibleYAML(text string) ([]Foreign, []string, error) {
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(text), &root); err != nil {
		return nil, nil, err
	}
	if len(root.Content) == 0 {
		return nil, nil, nil
	}
	r := &yamlReader{ansible: newAnsible()}
	err := r.pairs(root.Content[0], func(name string, group *yaml.Node) error { return r.group(name, group, 0) })
	if err != nil {
		return nil, nil, err
	}
	return r.foreign(), nil, nil
}

// yamlReader is the reading of one file.
type yamlReader struct {
	*ansible
	seen int // nodes, aliases followed
}

// Bounds on what a file may make us do through aliases.
const (
	maxYAMLNodes = 1_000_000
	maxYAMLDepth = 50
)

// pairs visits a mapping in order; null is an empty one.
func (r *yamlReader) pairs(n *yaml.Node, visit func(key string, value *yaml.Node) error) error {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: not a mapping, so this is no inventory of Ansible", n.Line)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if r.seen++; r.seen > maxYAMLNodes {
			return fmt.Errorf("line %d: too much is said by aliases", n.Line)
		}
		if n.Content[i].Tag == "!!merge" {
			if err := r.pairs(n.Content[i+1], visit); err != nil {
				return err
			}
			continue
		}
		if err := visit(n.Content[i].Value, n.Content[i+1]); err != nil {
			return err
		}
	}
	return nil
}

// group reads a group with its hosts, children and variables.
func (r *yamlReader) group(name string, n *yaml.Node, depth int) error {
	if depth > maxYAMLDepth {
		return fmt.Errorf("line %d: groups in groups without end", n.Line)
	}
	g := r.ansible.group(name)
	return r.pairs(n, func(key string, value *yaml.Node) error {
		switch key {
		case "hosts":
			return r.pairs(value, func(host string, v *yaml.Node) error { return r.hostVars(name, host, v) })
		case "vars":
			return r.pairs(value, func(k string, v *yaml.Node) error {
				g.vars[k] = scalar(v)
				return nil
			})
		case "children":
			return r.pairs(value, func(child string, v *yaml.Node) error {
				g.children = append(g.children, child)
				return r.group(child, v, depth+1)
			})
		}
		return nil
	})
}

// hostVars reads a host, or the hosts of a range.
func (r *yamlReader) hostVars(group, host string, n *yaml.Node) error {
	names, err := hostRange(host)
	if err != nil {
		return err
	}
	for _, name := range names {
		v := r.member(group, name)
		err := r.pairs(n, func(key string, value *yaml.Node) error {
			v[key] = scalar(value)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// scalar is a value as text, "" for lists and mappings.
func scalar(n *yaml.Node) string {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		return ""
	}
	return n.Value
}
