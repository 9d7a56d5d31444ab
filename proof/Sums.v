(* Finite sums: linearity, exchange, and picking one term. *)
Require Import Reals Lra Lia.
From bnorm Require Import Definitions.
Open Scope R_scope.

Lemma rsum_ext n f g : (forall i, (i < n)%nat -> f i = g i) -> rsum n f = rsum n g.
Proof.
  induction n as [|n IH]; simpl; intros H; [reflexivity|].
  rewrite IH by (intros; apply H; lia). now rewrite H by lia.
Qed.

Lemma rsum_plus n f g : ∑ i < n, (f i + g i) = rsum n f + rsum n g.
Proof. induction n as [|n IH]; simpl; [ring|rewrite IH; ring]. Qed.

Lemma rsum_minus n f g : ∑ i < n, (f i - g i) = rsum n f - rsum n g.
Proof. induction n as [|n IH]; simpl; [ring|rewrite IH; ring]. Qed.

Lemma rsum_scal_l n c f : ∑ i < n, c * f i = c * rsum n f.
Proof. induction n as [|n IH]; simpl; [ring|rewrite IH; ring]. Qed.

Lemma rsum_scal_r n c f : ∑ i < n, f i * c = rsum n f * c.
Proof. induction n as [|n IH]; simpl; [ring|rewrite IH; ring]. Qed.

Lemma rsum_const n c : ∑ _i < n, c = INR n * c.
Proof.
  induction n as [|n IH]; [simpl; ring|]. rewrite S_INR; simpl rsum; rewrite IH; ring.
Qed.

Lemma rsum_zero n f : (forall i, (i < n)%nat -> f i = 0) -> rsum n f = 0.
Proof. intros H. rewrite (rsum_ext n f (fun _ => 0)) by exact H. rewrite rsum_const. ring. Qed.

Lemma rsum_swap n m (f : nat -> nat -> R) :
  ∑ i < n, ∑ j < m, f i j = ∑ j < m, ∑ i < n, f i j.
Proof.
  induction n as [|n IH]; simpl; [now rewrite rsum_zero|]. now rewrite IH, rsum_plus.
Qed.

Lemma rsum_nonneg n f : (forall i, (i < n)%nat -> 0 <= f i) -> 0 <= rsum n f.
Proof.
  induction n as [|n IH]; simpl; intros H; [lra|].
  assert (0 <= rsum n f) by (apply IH; intros; apply H; lia).
  assert (0 <= f n) by (apply H; lia). lra.
Qed.

Lemma rsum_pick n k f : (k < n)%nat -> (forall i, (i < n)%nat -> i <> k -> f i = 0) ->
  rsum n f = f k.
Proof.
  induction n as [|n IH]; simpl; intros Hk H; [lia|].
  destruct (Nat.eq_dec n k) as [->|E].
  - rewrite rsum_zero; [ring|]. intros i Hi. apply H; lia.
  - rewrite IH; [rewrite (H n) by lia; ring|lia|]. intros i Hi. apply H. lia.
Qed.

Lemma rsum_delta n k f : (k < n)%nat -> ∑ i < n, delta k i * f i = f k.
Proof.
  intros Hk. unfold delta. rewrite (rsum_pick n k); [rewrite Nat.eqb_refl; ring|exact Hk|].
  intros i _ Hi. destruct (Nat.eqb_spec i k); [lia|ring].
Qed.

(* A field equation over numbers known not to be 0. *)
Ltac field_nonzero := field; repeat split; try assumption; lra.
