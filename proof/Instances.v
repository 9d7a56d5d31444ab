(* The hypotheses of the headline theorems can be met: a weighted column with its numbers, a panel
   model with unequal weights, fixed effects and a linear term. (Counterexample.v meets those of
   the question's network, at eps = 0 and with ReLU.) *)
Require Import Reals Lra Lia List.
From Coquelicot Require Import Coquelicot.
From bnorm Require Import Definitions Sums Frechet Column Backward Network Headline
  Algorithm AlgorithmReal.
Import ListNotations.
Open Scope R_scope.

Definition listed (l : list R) (i : nat) : R := nth i l 0.
Ltac numbers := simpl; unfold listed; simpl.

(* ------------------------------------------------------------- a weighted column *)
Definition weighted_column : setting := mksetting 3 (listed [1; 2; 1]) 2 0.
Definition z3 : nat -> R := listed [-1; 0; 1].

Example weighted_legal : legal weighted_column.
Proof. split; unfold n; numbers; lra. Qed.

Example weighted_mu : mu weighted_column z3 = 0.
Proof. unfold mu, n, z3. numbers. field. Qed.

Example weighted_v : v weighted_column z3 = 1.
Proof. unfold v. rewrite weighted_mu. unfold z3. numbers. field. Qed.

Example weighted_scale : 0 < v weighted_column z3 + eps weighted_column.
Proof. rewrite weighted_v. simpl. lra. Qed.

(* With w = (1, 0, 0) and gamma = 1: dz = (1/4, -1/2, 1/4). *)
Example weighted_dz : let w := listed [1; 0; 0] in let d := dz weighted_column 1 z3 w in
  d 0%nat = / 4 /\ d 1%nat = - / 2 /\ d 2%nat = / 4.
Proof.
  assert (Hsigma : sigma weighted_column z3 = 1)
    by (unfold sigma; rewrite weighted_v; simpl; rewrite Rplus_0_r; apply sqrt_1).
  unfold dz, dgamma, zhat. rewrite Hsigma, weighted_mu.
  unfold dbeta, n, z3. numbers. repeat split; field.
Qed.

(* A loss with a gradient, for the theorems of part (a): the linear one. *)
Example linear_loss : forall s p W q,
  frechet (cells (N s) p) (fun h => ∑ j < p, ∑ i < (N s), W j i * h (i, j)) (B_of_Z s q)
    (fun h => ∑ j < p, ∑ i < (N s), W j i * h (i, j)).
Proof.
  intros. apply frechet_rsum. intros j Hj. apply frechet_rsum. intros i Hi.
  apply frechet_scal, (frechet_coord (i, j)). now apply in_cells.
Qed.

(* ----------------------------------------------------------------- a panel model *)
Definition unit2 (i : nat) : nat := Nat.div i 2.
Definition panel_setting : setting := mksetting 4 (listed [1; 2; 1; 1]) 4 1.
Definition panel : model :=
  mkmodel panel_setting 1 2 2 (fun i k => INR (i * k + k)) (fun i _ => INR i)
    (within panel_setting unit2) (listed [3; 1; 4; 1]) (fun b => b ^ 2) (fun b => 2 * b).
Definition panel_q : point := fun _ => 1.

Example panel_legal : legal (of panel).
Proof. split; unfold n; numbers; lra. Qed.

Example panel_projection : projection panel.
Proof.
  apply (unit_means_project panel_setting unit2); try reflexivity. intros i Hi.
  destruct i as [|[|[|[|]]]]; try (simpl in Hi; lia);
    unfold unit_total, same_unit, unit2; numbers; lra.
Qed.

Example panel_scale : forall j, (j < p2 panel)%nat ->
  0 < v (of panel) (zcol panel panel_q j) + eps (of panel).
Proof.
  intros j _. apply eps_gives_scale; [|simpl; lra|simpl; lra].
  intros [|[|[|[|i]]]]; numbers; try lra. destruct i; lra.
Qed.

Example panel_smooth : forall b, reached panel (B panel) panel_q b ->
  is_derive (a panel) b (a' panel b).
Proof.
  intros b _. eapply is_derive_eq; [exact (is_derive_pow (fun r => r) 2 b 1 (is_derive_id b))|].
  simpl. ring.
Qed.

Example panel_has_derivative := panel_derivative panel panel_q panel_legal panel_projection
  panel_scale panel_smooth.

(* --------------------------------------------------------- the library's arguments *)
Definition library_column : column reals :=
  mkcolumn (T := reals) 3 (Some (listed [1; 2; 1])) 0 2.

Example library_is_met : let s := setting_of library_column in
  legal s /\ (forall i, 0 <= omega s i) /\ 0 < M s /\ 0 < v s z3 + eps s.
Proof.
  assert (HM : M (setting_of library_column) = 2) by (numbers; ring).
  repeat split.
  - unfold n. numbers. lra.
  - rewrite HM. lra.
  - intros [|[|[|i]]]; numbers; try lra. destruct i; lra.
  - rewrite HM. lra.
  - unfold v, mu, n, z3. numbers. lra.
Qed.
