// What nearly every test includes, compiled once: see tests/CMakeLists.txt.
