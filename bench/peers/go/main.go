// The workloads of bench/workloads.hpp the way a Go programmer writes them.
//
//	go-peer WORKLOAD WORKERS OPS
//
// prints one line of JSON. Exit status 3: no such workload here. docs/benchmarks.md says what one
// operation is.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

func spawn(ops int) {
	var all sync.WaitGroup
	all.Add(ops)
	for range ops {
		go func() { all.Done() }()
	}
	all.Wait()
}

// One channel serves all, since one goroutine at a time uses it: of the idiomatic ways (a channel
// each, a wait group) it was the quickest.
func spawnJoin(ops int) {
	result := make(chan int64, 1)
	var sum int64
	for i := range ops {
		go func() { result <- int64(i) }()
		sum += <-result
	}
	check(sum, ops)
}

func yield(ops int) {
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() {
			for range ops / 2 {
				runtime.Gosched()
			}
		})
	}
	both.Wait()
}

func pingPong(ops int) {
	ping, pong := make(chan int64), make(chan int64)
	go func() {
		for v := range ping {
			pong <- v
		}
	}()
	var sum int64
	for i := range ops {
		ping <- int64(i)
		sum += <-pong
	}
	close(ping)
	check(sum, ops)
}

func produceConsume(capacity, ops int) {
	values := make(chan int64, capacity)
	go func() {
		for i := range ops {
			values <- int64(i)
		}
		close(values)
	}()
	var sum int64
	for v := range values {
		sum += v
	}
	check(sum, ops)
}

func unbuffered(ops int)  { produceConsume(0, ops) }
func buffered128(ops int) { produceConsume(128, ops) }

func select2(ops int) {
	a, b := make(chan int64), make(chan int64)
	feed := func(c chan<- int64, first int) {
		for i := first; i < ops; i += 2 {
			c <- int64(i)
		}
	}
	go feed(a, 0)
	go feed(b, 1)
	var sum int64
	for range ops {
		select {
		case v := <-a:
			sum += v
		case v := <-b:
			sum += v
		}
	}
	check(sum, ops)
}

func selectDefault1(ops int) {
	a := make(chan int64)
	var nothing int64
	for range ops {
		select {
		case <-a:
		default:
			nothing++
		}
	}
	expect(nothing, int64(ops))
}

func selectDefault2(ops int) {
	a, b := make(chan int64), make(chan int64)
	var nothing int64
	for range ops {
		select {
		case <-a:
		case <-b:
		default:
			nothing++
		}
	}
	expect(nothing, int64(ops))
}

// Makes ops goroutines that wait on a receive; reports the time to make one, until all of
// them are there, and the memory that one takes.
func parked(ops int) (nsPerOp, bytesPerOp float64) {
	gate := make(chan int64)
	var ready, gone sync.WaitGroup
	ready.Add(ops)
	gone.Add(ops)
	before := memory()
	start := time.Now()
	for range ops {
		go func() {
			ready.Done()
			<-gate
			gone.Done()
		}()
	}
	ready.Wait()
	elapsed := time.Since(start)
	bytes := memory() - before
	close(gate)
	gone.Wait()
	return float64(elapsed.Nanoseconds()) / float64(ops), float64(bytes) / float64(ops)
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

func check(sum int64, ops int) { expect(sum, int64(ops)*int64(ops-1)/2) }

func expect(got, want int64) {
	if got != want {
		fail(fmt.Errorf("got %d instead of %d", got, want))
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "go-peer:", err)
	os.Exit(1)
}

var workloads = map[string]func(ops int){
	"spawn":            spawn,
	"spawn_join":       spawnJoin,
	"yield":            yield,
	"ping_pong":        pingPong,
	"unbuffered":       unbuffered,
	"buffered_128":     buffered128,
	"select_2":         select2,
	"select_default_1": selectDefault1,
	"select_default_2": selectDefault2,
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: go-peer WORKLOAD WORKERS OPS")
		os.Exit(2)
	}
	name := os.Args[1]
	workers, errWorkers := strconv.Atoi(os.Args[2])
	ops, errOps := strconv.Atoi(os.Args[3])
	if errWorkers != nil || errOps != nil || workers < 1 || ops < 2 || ops%2 != 0 {
		fmt.Fprintln(os.Stderr, "go-peer: WORKERS must be positive and OPS even")
		os.Exit(2)
	}
	runtime.GOMAXPROCS(workers)

	if name == "parked" {
		ns, bytes := parked(ops)
		report(name, workers, ns, fmt.Sprintf(",\"bytes_per_op\":%.0f", bytes))
		return
	}
	workload, known := workloads[name]
	if !known {
		os.Exit(3) // this peer does not have the workload
	}
	workload(ops) // a warm-up: pools filled, pages touched
	start := time.Now()
	workload(ops)
	elapsed := time.Since(start)
	report(name, workers, float64(elapsed.Nanoseconds())/float64(ops), "")
}

func report(workload string, workers int, nsPerOp float64, more string) {
	fmt.Printf("{\"peer\":\"go\",\"workload\":%q,\"workers\":%d,\"ns_per_op\":%.2f%s}\n",
		workload, workers, nsPerOp, more)
}
