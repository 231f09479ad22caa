package main

import (
	"fmt"
	"sync"
)

func pingPong(ops, _ int) {
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

func produceConsume(ops, capacity int) {
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

func unbuffered(ops, _ int) { produceConsume(ops, 0) }

// n producers and n consumers share one channel with room for 128 values.
func manyToMany(ops, n int) {
	values := make(chan int64, 128)
	var producers sync.WaitGroup
	for p := range n {
		producers.Go(func() {
			for i := p; i < ops; i += n {
				values <- int64(i)
			}
		})
	}
	sums := make(chan int64, n)
	for range n {
		go func() {
			var sum int64
			for v := range values {
				sum += v
			}
			sums <- sum
		}()
	}
	producers.Wait()
	close(values)
	var sum int64
	for range n {
		sum += <-sums
	}
	check(sum, ops)
}

// A token goes ops hops round a ring of n goroutines; they are there before the clock starts.
func ring(ops, n int) {
	links := make([]chan int64, n)
	for i := range links {
		links[i] = make(chan int64)
	}
	done := make(chan struct{})
	var ready, gone sync.WaitGroup
	ready.Add(n)
	for i := range n {
		last := i+1 == n
		in, out := links[i], links[(i+1)%n]
		gone.Go(func() {
			ready.Done()
			for hops := range in {
				if hops == 0 {
					done <- struct{}{}
				} else {
					out <- hops - 1
				}
			}
			if !last {
				close(out)
			}
		})
	}
	ready.Wait()
	restart()
	links[0] <- int64(ops - 1)
	<-done
	stop()
	close(links[0])
	gone.Wait()
}

func nthPrime(n int) int64 {
	var primes []int64
next:
	for i := int64(2); len(primes) < n; i++ {
		for _, p := range primes {
			if p*p > i {
				break
			}
			if i%p == 0 {
				continue next
			}
		}
		primes = append(primes, i)
	}
	return primes[n-1]
}

// The first ops primes, by a chain of filters that grows by one with each prime.
func sieve(ops, _ int) {
	largest := nthPrime(ops)
	restart()
	numbers := make(chan int64)
	go func() {
		for i := int64(2); i <= largest; i++ {
			numbers <- i
		}
		close(numbers)
	}()
	var found, prime int64
	for in := numbers; ; {
		var more bool
		if prime, more = <-in; !more {
			break
		}
		found++
		out := make(chan int64)
		go func(in <-chan int64, prime int64) {
			for v := range in {
				if v%prime != 0 {
					out <- v
				}
			}
			close(out)
		}(in, prime)
		in = out
	}
	expect(found, int64(ops))
}

func elementsOf[E any](ops int, set func(*E, int64), get func(*E) int64) {
	values := make(chan E, 128)
	go func() {
		var e E
		for i := range ops {
			set(&e, int64(i))
			values <- e
		}
		close(values)
	}()
	var sum int64
	for e := range values {
		sum += get(&e)
	}
	check(sum, ops)
}

// Values of size bytes through room for 128 of them.
func element(ops, size int) {
	switch size {
	case 8:
		elementsOf(ops, func(e *[1]int64, v int64) { e[0] = v }, func(e *[1]int64) int64 { return e[0] })
	case 64:
		elementsOf(ops, func(e *[8]int64, v int64) { e[0] = v }, func(e *[8]int64) int64 { return e[0] })
	case 256:
		elementsOf(ops, func(e *[32]int64, v int64) { e[0] = v }, func(e *[32]int64) int64 { return e[0] })
	case 1024:
		elementsOf(ops, func(e *[128]int64, v int64) { e[0] = v }, func(e *[128]int64) int64 { return e[0] })
	case 4096:
		elementsOf(ops, func(e *[512]int64, v int64) { e[0] = v }, func(e *[512]int64) int64 { return e[0] })
	default:
		fail(fmt.Errorf("elements have 8, 64, 256, 1024 or 4096 bytes"))
	}
}
