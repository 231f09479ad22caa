package main

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// Serves until it is killed; bench/peers/epoll/load.c makes the connections.
func echo(_ int) {
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		fail(err)
	}
	fmt.Println("port", listener.Addr().(*net.TCPAddr).Port)
	for {
		connection, err := listener.Accept()
		if err != nil {
			fail(err)
		}
		go func() {
			defer connection.Close()
			buffer := make([]byte, 4096)
			for {
				n, err := connection.Read(buffer)
				if err != nil {
					return
				}
				if _, err := connection.Write(buffer[:n]); err != nil {
					return
				}
			}
		}()
	}
}

func reportLatencies(ns []int64) {
	slices.Sort(ns)
	at := func(perMille int) float64 {
		return float64(ns[min(len(ns)-1, len(ns)*perMille/1000)]) / 1000
	}
	report("us_median", at(500), "us_p999", at(999), "us_max", at(1000))
}

var epoch = time.Now()

func now() int64 { return int64(time.Since(epoch)) }

// A goroutine that keeps its thread and sleeps in the kernel stands for a plain thread.
func everyMillisecond(ops int, do func()) {
	runtime.LockOSThread()
	ms := syscall.NsecToTimespec(1_000_000)
	for range ops {
		syscall.Nanosleep(&ms, nil)
		do()
	}
}

func wakeByThread(ops int) {
	stamps := make(chan int64, 1)
	go func() {
		everyMillisecond(ops, func() { stamps <- now() })
		close(stamps)
	}()
	var late []int64
	for sent := range stamps {
		late = append(late, now()-sent)
	}
	reportLatencies(late)
}

func wakeByTimer(ops int) {
	var late []int64
	for range ops {
		due := now() + 1_000_000
		time.Sleep(time.Millisecond)
		late = append(late, now()-due)
	}
	reportLatencies(late)
}

func wakeBySocket(ops int) {
	listener, err := net.Listen("unix", fmt.Sprintf("@weft-bench-%d", syscall.Getpid()))
	if err != nil {
		fail(err)
	}
	go func() {
		fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		if err != nil {
			fail(err)
		}
		if err := syscall.Connect(fd, &syscall.SockaddrUnix{Name: listener.Addr().String()}); err != nil {
			fail(err)
		}
		var stamp [8]byte
		everyMillisecond(ops, func() {
			binary.NativeEndian.PutUint64(stamp[:], uint64(now()))
			syscall.Write(fd, stamp[:])
		})
		syscall.Close(fd)
	}()
	reader, err := listener.Accept()
	if err != nil {
		fail(err)
	}
	var late []int64
	var stamp [8]byte
	for {
		if _, err := io.ReadFull(reader, stamp[:]); err != nil {
			break
		}
		late = append(late, now()-int64(binary.NativeEndian.Uint64(stamp[:])))
	}
	reportLatencies(late)
}

func cpuMs() float64 {
	var use syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &use)
	return float64(use.Utime.Nano()+use.Stime.Nano()) / 1e6
}

// The processor's time that body, which takes ms milliseconds, costs in a second.
func reportCPU(ms int, body func()) {
	time.Sleep(200 * time.Millisecond) // what starting leaves behind
	before := cpuMs()
	body()
	report("cpu_ms_per_s", max((cpuMs()-before)*1000/float64(ms), 1e-9))
}

func cpuIdle(ms int) {
	reportCPU(ms, func() { time.Sleep(time.Duration(ms) * time.Millisecond) })
}

func cpuTick(ms int) {
	reportCPU(ms, func() {
		ticks := time.NewTicker(time.Millisecond)
		for range ms {
			<-ticks.C
		}
	})
}
