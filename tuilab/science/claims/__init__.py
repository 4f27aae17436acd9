"""What the numbers say of claims: what a claim is, how one is declared, and how it is evaluated."""
