"""For people who prove that nothing is lost: an auditor, failpoints at the ports, a cable to cut, processes to kill."""
