using Jobs.Postgres;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Metadata.Builders;
using Npgsql.EntityFrameworkCore.PostgreSQL.Metadata.Conventions;

namespace Jobs.Transactions;

/// <summary>
/// How the coordinator writes what has changed: the columns that it ever changes, of rows that it has locked and read by itself, in one round trip (<see cref="StoredTurn"/>). The tables are made by the engine's
/// migrations.
/// </summary>
internal sealed class CoordinatorContext(DbContextOptions<CoordinatorContext> options) : DbContext(options)
{
    /// <summary>Lends a context to each message: making one takes longer than what it does here.</summary>
    public static IDbContextFactory<CoordinatorContext> Pool(TransactionStore store) => new PooledDbContextFactory<CoordinatorContext>(
        new DbContextOptionsBuilder<CoordinatorContext>().UseNpgsql(store.Source).UseModel(ModelOf(store.Schema)).Options);

    /// <summary>One for each schema: a process may know several installations.</summary>
    private static Microsoft.EntityFrameworkCore.Metadata.IModel ModelOf(string schema)
    {
        var model = NpgsqlConventionSetBuilder.CreateModelBuilder();
        model.HasDefaultSchema(schema);
        model.Entity<TransactionRow>(Transaction);
        model.Entity<BranchRow>(Branch);
        return model.FinalizeModel();
    }

    private static void Transaction(EntityTypeBuilder<TransactionRow> row)
    {
        row.ToTable("transaction").HasKey(t => t.CorrelationId);
        row.Property(t => t.CorrelationId).HasColumnName("id").ValueGeneratedNever();
        row.Property(t => t.State).HasColumnName("state").HasConversion(s => s.ToLowerInvariant(), w => TransactionRow.StateOf(w));
        row.Property(t => t.DeadlineAt).HasColumnName("deadline_at");
        row.Property(t => t.DecidedAt).HasColumnName("decided_at");
        row.Property(t => t.EndedAt).HasColumnName("ended_at");
        row.Property(t => t.Reason).HasColumnName("reason");
        row.Ignore(t => t.Name).Ignore(t => t.Mode).Ignore(t => t.Priority).Ignore(t => t.CreatedAt).Ignore(t => t.Trace).Ignore(t => t.LockedAt).Ignore(t => t.Commit);
        row.HasMany(t => t.Branches).WithOne().HasForeignKey(b => b.TransactionId);
    }

    private static void Branch(EntityTypeBuilder<BranchRow> row)
    {
        row.ToTable("transaction_branch").HasKey(b => new { b.TransactionId, b.Number });
        row.Property(b => b.TransactionId).HasColumnName("transaction_id");
        row.Property(b => b.Number).HasColumnName("number").ValueGeneratedNever();
        row.Property(b => b.Compensated).HasColumnName("compensated");
        row.Property(b => b.State).HasColumnName("state").HasConversion(s => StateWords.Of(s), w => StateWords.Read<BranchState>(w));
        row.Property(b => b.Round).HasColumnName("round");
        row.Property(b => b.Verb).HasColumnName("verb").HasConversion(v => StateWords.Of(v!.Value), w => StateWords.Read<Verb>(w));
        row.Property(b => b.Job).HasColumnName("job");
        row.Property(b => b.After).HasColumnName("after");
        row.Property(b => b.Answered).HasColumnName("answered");
        row.Property(b => b.Reason).HasColumnName("reason");
        row.Property(b => b.AskedAt).HasColumnName("asked_at");
        row.Property(b => b.VotedAt).HasColumnName("voted_at");
        row.Property(b => b.EndedAt).HasColumnName("ended_at");
        row.Ignore(b => b.Stage).Ignore(b => b.Kind).Ignore(b => b.Queue);
    }
}
