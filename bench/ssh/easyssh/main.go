// What drone-ssh does with its library, without the loop of its own that spins: one script, many
// hosts at once.
// usage: easyssh-peer HOSTS_FILE USER PORT KEY_FILE SCRIPT
// A host in the file may have a port of its own.
package main

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/appleboy/easyssh-proxy"
)

func main() {
	if len(os.Args) != 6 {
		os.Exit(64)
	}
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	hosts := strings.Fields(string(text))
	out := bufio.NewWriterSize(os.Stdout, 64<<10)
	var mutex sync.Mutex
	print := func(host, line string) {
		mutex.Lock()
		fmt.Fprintf(out, "%s: %s\n", host, line)
		mutex.Unlock()
	}
	// What is there shall be seen, also if the rest hangs.
	go func() {
		for range time.Tick(200 * time.Millisecond) {
			mutex.Lock()
			out.Flush()
			mutex.Unlock()
		}
	}()
	failed := 0
	var all sync.WaitGroup
	for _, host := range hosts {
		all.Add(1)
		go func() {
			defer all.Done()
			if err := run(host, print); err != nil {
				mutex.Lock()
				failed++
				mutex.Unlock()
				fmt.Fprintln(os.Stderr, host, err)
			}
		}()
	}
	all.Wait()
	mutex.Lock()
	out.Flush()
	if failed > 0 {
		os.Exit(1)
	}
}

func run(host string, print func(host, line string)) error {
	name, port, hasPort := strings.Cut(host, ":")
	if !hasPort {
		port = os.Args[3]
	}
	ssh := &easyssh.MakeConfig{
		Server: name, User: os.Args[2], Port: port, KeyPath: os.Args[4],
		Timeout: 10 * time.Second,
	}
	stdout, stderr, done, errs, err := ssh.Stream(os.Args[5], 10*time.Minute)
	if err != nil {
		return err
	}
	finished := false
	for !finished {
		select {
		case _, finished = <-done:
			finished = true
		case line, ok := <-stdout:
			if !ok {
				stdout = nil
			} else if line != "" {
				print(host, line)
			}
		case line, ok := <-stderr:
			if !ok {
				stderr = nil
			} else if line != "" {
				print(host, line)
			}
		case e, ok := <-errs:
			if !ok {
				errs = nil
			} else if e != nil {
				err = e
			}
		}
	}
	return err
}
