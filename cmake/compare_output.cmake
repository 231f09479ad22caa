# Runs PROGRAM; fails unless it ends with status 0 and prints exactly what the file EXPECTED holds.
execute_process(COMMAND "${PROGRAM}"
  OUTPUT_VARIABLE output ERROR_VARIABLE errors RESULT_VARIABLE status)
file(READ "${EXPECTED}" expected)
if(NOT status EQUAL 0 OR NOT output STREQUAL expected)
  message(FATAL_ERROR
    "status: ${status}\n--- expected\n${expected}\n--- printed\n${output}\n--- stderr\n${errors}")
endif()
