package main

import (
	"runtime"
	"sync"
)

func spawn(ops, _ int) {
	var all sync.WaitGroup
	all.Add(ops)
	for range ops {
		go func() { all.Done() }()
	}
	all.Wait()
}

// One channel serves all, since one goroutine at a time uses it: of the idiomatic ways (a channel
// each, a wait group) it was the quickest.
func spawnJoin(ops, _ int) {
	result := make(chan int64, 1)
	var sum int64
	for i := range ops {
		go func() { result <- int64(i) }()
		sum += <-result
	}
	check(sum, ops)
}

func yield(ops, _ int) {
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

func fibNumber(n int) int64 {
	a, b := int64(0), int64(1)
	for range n {
		a, b = b, a+b
	}
	return a
}

// One of the two calls is a goroutine of its own, down to the leaves.
func fibOf(n int64) int64 {
	if n < 2 {
		return n
	}
	first := make(chan int64, 1)
	go func() { first <- fibOf(n - 1) }()
	second := fibOf(n - 2)
	return <-first + second
}

// The largest fib that starts at most ops goroutines: fib(n) starts fib(n+1)-1.
func fib(ops, _ int) {
	n := 2
	for fibNumber(n+2)-1 <= int64(ops) {
		n++
	}
	watch.operations = int(fibNumber(n+1) - 1)
	expect(fibOf(int64(n)), fibNumber(n))
}

func skynetNode(result chan<- int64, first, leaves int64) {
	if leaves == 1 {
		result <- first
		return
	}
	parts := make(chan int64)
	for i := range int64(10) {
		go skynetNode(parts, first+i*(leaves/10), leaves/10)
	}
	var sum int64
	for range 10 {
		sum += <-parts
	}
	result <- sum
}

func skynet(ops, _ int) {
	leaves := 1
	for leaves*10 <= ops {
		leaves *= 10
	}
	watch.operations = leaves
	result := make(chan int64)
	go skynetNode(result, 0, int64(leaves))
	check(<-result, leaves)
}
