namespace Jobs;

/// <summary>Finds what somebody may have meant.</summary>
internal static class NearMiss
{
    private const int Most = 2;

    /// <summary>The name that at most two letters make of the word; null when there is none.</summary>
    public static string? Of(string word, IEnumerable<string> names) =>
        names.Select(name => (Name: name, Distance: Distance(word, name))).Where(n => n.Distance <= Most).OrderBy(n => n.Distance).FirstOrDefault().Name;

    /// <summary>How many letters must change to make one word the other.</summary>
    private static int Distance(string a, string b)
    {
        var row = Enumerable.Range(0, b.Length + 1).ToArray();
        for (var i = 1; i <= a.Length; i++)
        {
            var corner = row[0]++;
            for (var j = 1; j <= b.Length; j++)
            {
                var change = corner + (a[i - 1] == b[j - 1] ? 0 : 1);
                corner = row[j];
                row[j] = Math.Min(change, Math.Min(row[j], row[j - 1]) + 1);
            }
        }

        return row[^1];
    }
}
