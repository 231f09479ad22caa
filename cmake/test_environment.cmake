# What TSan is told wherever a test runs. At its end a process with threads would be waited for: a second
# each, and most tests are many processes.
set(weft_tsan_options "halt_on_error=1 second_deadlock_stack=1 atexit_sleep_ms=0")
