// The twin of lines.cpp:
//
//	go-lines reader|channel
package main

import (
	"bufio"
	"fmt"
	"os"
	"time"
)

func main() {
	if len(os.Args) != 2 || (os.Args[1] != "reader" && os.Args[1] != "channel") {
		fmt.Fprintln(os.Stderr, "usage: go-lines reader|channel")
		os.Exit(2)
	}
	scanner := bufio.NewScanner(os.Stdin)
	scanner.Buffer(nil, 1<<20)
	lines, bytes := 0, 0
	start := time.Now()
	if os.Args[1] == "reader" {
		for scanner.Scan() {
			lines++
			bytes += len(scanner.Text())
		}
	} else {
		c := make(chan string, 32)
		go func() {
			for scanner.Scan() {
				c <- scanner.Text()
			}
			close(c)
		}()
		for line := range c {
			lines++
			bytes += len(line)
		}
	}
	took := time.Since(start)
	fmt.Printf("{\"ns_per_op\":%.2f,\"lines\":%d,\"bytes\":%d}\n",
		float64(took.Nanoseconds())/float64(lines), lines, bytes)
}
