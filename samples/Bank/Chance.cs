namespace Bank;

/// <summary>Dice that fall the same way in every process, and in every repetition: by the seed of the run, a word and a number.</summary>
internal static class Chance
{
    public static int Seed { get; } = int.TryParse(Environment.GetEnvironmentVariable("BANK_SEED"), out var seed) ? seed : 1;

    public static bool Strikes(double share, string what, long number)
    {
        var x = 14695981039346656037UL ^ (ulong)Seed;
        foreach (var c in what)
        {
            x = (x ^ c) * 1099511628211UL;
        }

        x += (ulong)number * 0x9E3779B97F4A7C15UL;
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9UL;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EBUL;
        return ((x ^ (x >> 31)) >> 11) * (1.0 / (1UL << 53)) < share;
    }
}
