package main

import (
	"os/exec"
	"sync"
)

func runTrue() {
	// Its streams are /dev/null.
	if err := exec.Command("/bin/true").Run(); err != nil {
		fail(err)
	}
}

// n at once: each of n goroutines starts a process and waits for it, again and again.
func process(ops, n int) {
	if n == 1 {
		for range ops {
			runTrue()
		}
		return
	}
	each := max(1, ops/n)
	watch.operations = each * n
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			for range each {
				runTrue()
			}
		})
	}
	all.Wait()
}
