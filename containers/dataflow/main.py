"""What the launcher of the Flex Template runs."""

from beam_jobs.launch import main

if __name__ == "__main__":
    main()
