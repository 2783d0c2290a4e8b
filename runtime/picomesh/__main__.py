"""`python -m picomesh` is the command `picomesh`."""

from picomesh.cli import main

if __name__ == "__main__":
    main()
