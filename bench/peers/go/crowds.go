package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"
)

// ops goroutines sleep a second each, all at once.
func sleepers(ops int) {
	var all sync.WaitGroup
	all.Add(ops)
	for range ops {
		go func() {
			time.Sleep(time.Second)
			all.Done()
		}()
	}
	all.Wait()
}

var crowdBytes float64 // what one of those parked takes

// Makes ops goroutines that wait on a receive.
func parked(ops int) {
	gate := make(chan int64)
	var ready, gone sync.WaitGroup
	ready.Add(ops)
	gone.Add(ops)
	before := memory()
	restart()
	for range ops {
		go func() {
			ready.Done()
			<-gate
			gone.Done()
		}()
	}
	ready.Wait()
	stop()
	crowdBytes = float64(memory()-before) / float64(ops)
	close(gate)
	gone.Wait()
}

// What the process takes of the machine, in bytes: its pages and the tables that map them.
func memory() int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		fail(err)
	}
	total := 0
	for line := range strings.Lines(string(status)) {
		var kib int
		if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kib); n == 1 {
			total += kib
		}
		if n, _ := fmt.Sscanf(line, "VmPTE: %d kB", &kib); n == 1 {
			total += kib
		}
	}
	return total * 1024
}
