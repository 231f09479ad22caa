// The workloads of bench/workloads/ the way a Go programmer writes them.
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
	"time"
)

// The time that counts: a workload that sets something up which does not calls restart, one that
// tears something down calls stop before, one that rounds the number of its operations sets it.
var watch struct {
	operations  int
	start, stop time.Time
	stopped     bool
}

func startWatch(ops int) {
	watch.operations, watch.stopped, watch.start = ops, false, time.Now()
}

func restart() { watch.start = time.Now() }

func stop() {
	if !watch.stopped {
		watch.stop, watch.stopped = time.Now(), true
	}
}

func nsPerOp() float64 {
	return float64(watch.stop.Sub(watch.start).Nanoseconds()) / float64(watch.operations)
}

// The second number is the one at the end of the workload's name.
var workloads = map[string]func(ops, n int){
	"spawn":          spawn,
	"spawn_join":     spawnJoin,
	"yield":          yield,
	"fib":            fib,
	"skynet":         skynet,
	"ping_pong":      pingPong,
	"unbuffered":     unbuffered,
	"buffered":       produceConsume,
	"many_to_many":   manyToMany,
	"ring":           ring,
	"sieve":          sieve,
	"element":        element,
	"select":         selectN,
	"select_timeout": selectTimeout,
	"select_default": selectDefault,
	"mutex":          mutex,
	"timer":          timer,
	"process":        process,
}

// These are run once: there is no warm-up.
var crowds = map[string]func(ops int){
	"sleepers": sleepers,
	"parked":   parked,
}

// These measure something else than the time of an operation.
var others = map[string]func(ops int){
	"echo":        echo,
	"wake_thread": wakeByThread,
	"wake_timer":  wakeByTimer,
	"wake_socket": wakeBySocket,
	"cpu_idle":    cpuIdle,
	"cpu_tick":    cpuTick,
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: go-peer WORKLOAD WORKERS OPS")
		os.Exit(2)
	}
	name := os.Args[1]
	workers, errWorkers := strconv.Atoi(os.Args[2])
	ops, errOps := strconv.Atoi(os.Args[3])
	if errWorkers != nil || errOps != nil || workers < 1 || ops < 0 || ops%2 != 0 {
		fmt.Fprintln(os.Stderr, "go-peer: WORKERS must be positive and OPS even")
		os.Exit(2)
	}
	runtime.GOMAXPROCS(workers)

	base, n := name, 1
	if i := strings.LastIndexByte(name, '_'); i >= 0 {
		if v, err := strconv.Atoi(name[i+1:]); err == nil {
			base, n = name[:i], v
		}
	}
	if run, known := others[base]; known {
		run(ops)
	} else if run, known := crowds[base]; known {
		startWatch(ops)
		run(ops)
		stop()
		report("ns_per_op", nsPerOp(), "bytes_per_op", crowdBytes)
	} else if run, known := workloads[base]; known {
		run(ops, n) // a warm-up: pools filled, pages touched
		startWatch(ops)
		run(ops, n)
		stop()
		report("ns_per_op", nsPerOp())
	} else {
		os.Exit(3) // this peer does not have the workload
	}
}

// Names and figures in turn; figures that are zero are left out.
func report(figures ...any) {
	separator := "{"
	for i := 0; i < len(figures); i += 2 {
		if figures[i+1].(float64) != 0 {
			fmt.Printf("%s%q:%.6g", separator, figures[i], figures[i+1])
			separator = ","
		}
	}
	fmt.Println("}")
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
