package main

import (
	"sync"
	"time"
)

// n goroutines take turns with one mutex.
func mutex(ops, n int) {
	var m sync.Mutex
	count := 0
	use := func(times int) {
		for range times {
			m.Lock()
			count++
			m.Unlock()
		}
	}
	if n == 1 {
		use(ops)
	} else {
		var all sync.WaitGroup
		for range n {
			all.Go(func() { use(ops / n) })
		}
		all.Wait()
		watch.operations = ops / n * n
	}
	expect(int64(count), int64(ops/n*n))
}

// A timer is set and stopped while n-1 others are set.
func timer(ops, n int) {
	others := make([]*time.Timer, n-1)
	for i := range others {
		others[i] = time.NewTimer(time.Hour + time.Duration(i)*time.Millisecond)
	}
	t := time.NewTimer(time.Hour)
	restart()
	for range ops {
		t.Reset(time.Hour)
		t.Stop()
	}
	stop()
	for _, o := range others {
		o.Stop()
	}
}
