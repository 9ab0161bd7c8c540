"""What a night on a shared machine brings: kills, interrupts, full disks, the same call again and again."""
