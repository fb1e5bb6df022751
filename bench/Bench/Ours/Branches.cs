using Jobs.Transactions;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Jobs.Bench.Ours;

/// <summary>A branch that is nearly free: its participant writes one row into the database of the jobs when it is asked first, and nothing after that.</summary>
[TransactionBranch("bench.note")]
internal sealed record Note(string Text);

/// <summary>The same as a step of a saga.</summary>
[TransactionBranch("bench.step", Compensation = Compensation.ByStep)]
internal sealed record NoteStep(string Text);

internal sealed class NoteParticipant(Notes notes) : ITransactionParticipant<Note>
{
    public async Task<Vote> PrepareAsync(Note branch, BranchContext context, CancellationToken ct)
    {
        await notes.WriteAsync(context.IdempotencyKey, branch.Text, ct);
        return Vote.Yes;
    }

    public Task CommitAsync(Note branch, BranchContext context, CancellationToken ct) => Task.CompletedTask;

    public Task AbortAsync(Note branch, BranchContext context, CancellationToken ct) => Task.CompletedTask;
}

internal sealed class NoteSaga(Notes notes) : ISagaStep<NoteStep>
{
    public async Task<Vote> RunAsync(NoteStep step, BranchContext context, CancellationToken ct)
    {
        await notes.WriteAsync(context.IdempotencyKey, step.Text, ct);
        return Vote.Yes;
    }

    public Task CompensateAsync(NoteStep step, BranchContext context, CancellationToken ct) => Task.CompletedTask;
}

/// <summary>Where those rows go: pooled connections, one prepared statement.</summary>
internal sealed class Notes(string schema) : IAsyncDisposable
{
    private readonly string _write = Sql.Read("write_note", schema);

    public NpgsqlDataSource Source { get; } = NpgsqlDataSource.Create(TransferDatabases.Settings(null));

    public async Task WriteAsync(string key, string text, CancellationToken ct)
    {
        await using var command = Source.CreateCommand(_write);
        command.Parameters.Add(new() { Value = key });
        command.Parameters.Add(new() { Value = text });
        await command.ExecuteNonQueryAsync(ct);
    }

    public ValueTask DisposeAsync() => Source.DisposeAsync();
}

/// <summary>One account in one of the two databases is changed: the ready-made participant, a prepared transaction.</summary>
[TransactionBranch("bench.take")]
internal sealed record Take(int Account, int Amount);

[TransactionBranch("bench.give")]
internal sealed record Give(int Account, int Amount);

internal sealed class TakeParticipant([FromKeyedServices(TransferDatabases.Here)] ParticipantDatabase here) : SqlParticipant<Take>(here, Sql.Read("take", ""), "There is too little on the account.");

internal sealed class GiveParticipant([FromKeyedServices(TransferDatabases.There)] ParticipantDatabase there) : SqlParticipant<Give>(there, Sql.Read("give", ""), "There is no such account.");
