//go:build long

package main_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"sallyport/internal/sshtest"
)

// TestAnsible runs a playbook over three hosts behind a jump host, as Ansible
// comes: with a ControlPath and ControlMaster of its own.
func TestAnsible(t *testing.T) {
	sshtest.Require(t, "ansible-playbook")
	c := sshtest.NewChain(t, sshtest.HostConfig{Name: "jump"},
		sshtest.HostConfig{Name: "one"}, sshtest.HostConfig{Name: "two", Via: "jump"}, sshtest.HostConfig{Name: "three", Via: "jump"})
	u := setUp(t, c)
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "hosts"), "[all]\none\ntwo\nthree\n[all:vars]\nansible_python_interpreter=/usr/bin/python3\n")
	writeFile(t, filepath.Join(dir, "book.yml"), `- hosts: all
  gather_facts: true
  tasks:
    - command: echo hello {{ inventory_hostname }}
      register: said
    - copy: {content: "{{ said.stdout }}\n", dest: "`+dir+`/{{ inventory_hostname }}-{{ run }}"}
`)
	for run, pipelining := range []string{"False", "True", "False"} {
		play := u.stock("ansible-playbook", "-i", "hosts", "-e", fmt.Sprint("run=", run), "book.yml")
		play.Dir = dir
		play.Env = append(play.Env, "LC_ALL=C.UTF-8", "ANSIBLE_PIPELINING="+pipelining, "ANSIBLE_LOCALHOST_WARNING=False",
			"ANSIBLE_HOME="+dir, "ANSIBLE_SSH_CONTROL_PATH_DIR="+filepath.Join(u.dir, "cp"),
			"ANSIBLE_SSH_COMMON_ARGS=-F "+u.config, "ANSIBLE_REMOTE_TEMP="+filepath.Join(dir, "tmp"))
		r := u.run(play)
		if r.code != 0 || strings.Count(r.out, "failed=0") != 3 {
			t.Fatalf("pipelining %s: %+v", pipelining, r)
		}
		for _, host := range []string{"one", "two", "three"} {
			if got := readFile(t, filepath.Join(dir, fmt.Sprintf("%s-%d", host, run))); got != "hello "+host+"\n" {
				t.Errorf("%s: %q", host, got)
			}
			if u.master(host) == nil {
				t.Errorf("%s was not reached through sally", host)
			}
		}
	}
	wantOneLogin(t, c, "jump", "one", "two", "three")
}
