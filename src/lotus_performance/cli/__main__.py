"""``python -m lotus_performance.cli``."""

from lotus_performance.cli import main

raise SystemExit(main())
