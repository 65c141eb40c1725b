package main_test

// roleVariable makes a copy of the test binary play a part, as another user.
const roleVariable = "SALLY_E2E_ROLE"

func play(role string) int { return 2 }
