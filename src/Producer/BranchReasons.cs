using System.Text.Json;
using Jobs.Postgres;

namespace Jobs.Producer;

/// <summary>What a job that works for a transaction does for it, and what waits for that.</summary>
internal sealed class BranchReasons(TransactionStore store)
{
    private const string BranchTypes = "branch.";

    public async Task<Explanation?> BranchAsync(Case c, CancellationToken ct)
    {
        var watches = c.Job.Type == WatchJob.Type;
        if ((!watches && !c.Job.Type.StartsWith(BranchTypes, StringComparison.Ordinal)) || Read(c.Job.Arguments) is not var (id, number, round) || await store.FindAsync(id, ct) is not { } seen)
        {
            return null; // a type of somebody else's that looks alike
        }

        var whole = $"transaction {id} (\"{seen.Name}\", {(seen.EndedAt is null ? seen.State : $"{seen.State} {c.Ago(seen.EndedAt.Value)} ago")})";
        if (watches)
        {
            return new("transaction", $"It watches over {whole}: jobs transactions get {id}") { Since = seen.CreatedAt };
        }

        if (seen.Branches.Find(b => b.Number == number) is not { } branch)
        {
            return null;
        }

        var name = $"branch {number} ({branch.Kind}) of {whole}";
        if (branch.Round != round)
        {
            return new("transaction", $"It was for {name}, which has been asked for something else since: it has nothing to do any more.") { Since = seen.CreatedAt };
        }

        var others = seen.Branches.Count(b => b.Number != number && b.State is "preparing" or "committing" or "aborting" or "parked");
        var what = branch.State switch
        {
            "preparing" => seen.Mode == "saga" ? "runs" : "prepares",
            "committing" => "commits",
            "aborting" => seen.Mode == "saga" ? "undoes" : "aborts",
            _ => null,
        };
        return new("transaction", what is null ? $"It was for {name}, which is {branch.State}: nobody waits for this job any more. See: jobs transactions get {id}"
            : $"It {what} {name}, which waits for it{(others > 0 ? $" and for {Phrase.Count(others, "other")}" : "")}"
            + $"{(seen.Decision is null ? $", and is aborted if it is not decided {(seen.DeadlineAt > c.Now ? $"in {Phrase.Duration(seen.DeadlineAt - c.Now)}" : "now")}" : $" as long as it takes: it is decided to {seen.Decision}")}.")
        {
            Since = branch.AskedAt, Until = seen.Decision is null ? seen.DeadlineAt : null,
        };
    }

    private static (Guid Transaction, int Branch, int Round)? Read(string arguments)
    {
        using var document = JsonDocument.Parse(arguments);
        var root = document.RootElement;
        return root.ValueKind == JsonValueKind.Object && root.TryGetProperty("transaction", out var id) && id.ValueKind == JsonValueKind.String && id.TryGetGuid(out var transaction)
            ? (transaction, Number(root, "branch"), Number(root, "round")) : null;
    }

    private static int Number(JsonElement root, string name) => root.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) ? number : 0;
}
