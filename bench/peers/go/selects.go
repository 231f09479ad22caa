package main

import (
	"os"
	"reflect"
	"time"
)

// n channels, each fed by a goroutine of its own with every n-th value.
func fedChannels(ops, n int) []chan int64 {
	channels := make([]chan int64, n)
	for k := range channels {
		c := make(chan int64)
		channels[k] = c
		go func() {
			for i := k; i < ops; i += n {
				c <- int64(i)
			}
		}()
	}
	return channels
}

// Two cases as they stand in a program; other numbers by reflection, Go's only way.
func selectN(ops, n int) {
	c := fedChannels(ops, n)
	var sum int64
	if n == 2 {
		a, b := c[0], c[1]
		for range ops {
			select {
			case v := <-a:
				sum += v
			case v := <-b:
				sum += v
			}
		}
	} else {
		cases := make([]reflect.SelectCase, n)
		for i := range cases {
			cases[i] = reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(c[i])}
		}
		for range ops {
			_, v, _ := reflect.Select(cases)
			sum += v.Int()
		}
	}
	check(sum, ops)
}

// Eight fed channels and an hour.
func selectTimeout(ops, n int) {
	if n != 8 {
		os.Exit(3)
	}
	c := fedChannels(ops, 8)
	var sum int64
	for range ops {
		var v int64
		select {
		case v = <-c[0]:
		case v = <-c[1]:
		case v = <-c[2]:
		case v = <-c[3]:
		case v = <-c[4]:
		case v = <-c[5]:
		case v = <-c[6]:
		case v = <-c[7]:
		case <-time.After(time.Hour):
			expect(1, 0)
		}
		sum += v
	}
	check(sum, ops)
}

// One or two empty channels.
func selectDefault(ops, n int) {
	a, b := make(chan int64), make(chan int64)
	var nothing int64
	if n == 1 {
		for range ops {
			select {
			case <-a:
			default:
				nothing++
			}
		}
	} else {
		for range ops {
			select {
			case <-a:
			case <-b:
			default:
				nothing++
			}
		}
	}
	expect(nothing, int64(ops))
}
